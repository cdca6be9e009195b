"""grpc-gateway: JSON over HTTP for services that speak gRPC."""
