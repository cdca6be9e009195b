"""`crossfade check`: what controllers and gateway would say of manifests, without a cluster, a proxy or a network."""
