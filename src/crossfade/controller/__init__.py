"""`crossfade controller`: the control plane in its two roles, `mesh` and `gateway`."""
