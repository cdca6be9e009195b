"""CEL as Kubernetes writes it, put into the words of an engine that knows less of it."""
