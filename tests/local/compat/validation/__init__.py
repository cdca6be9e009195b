"""What Kubernetes refuses: objects with every field, and each of them with one field changed."""
