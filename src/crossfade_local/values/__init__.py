"""Values inside Kubernetes objects, as every part of the embedded cluster reads them."""
