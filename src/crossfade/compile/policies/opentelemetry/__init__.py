"""opentelemetry: spans of requests by OTLP."""
