"""Tables of objects, as `kubectl get` shows them."""
