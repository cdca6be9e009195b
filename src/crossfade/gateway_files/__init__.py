"""`crossfade gateway run`: the gateway on a directory of manifests, without a cluster."""
