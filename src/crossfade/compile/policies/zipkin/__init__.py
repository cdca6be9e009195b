"""zipkin: spans of requests for Zipkin."""
