"""grpc-web: browsers call gRPC services."""
