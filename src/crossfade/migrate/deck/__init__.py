"""Kong's declarative configuration, as decK and DB-less Kong read it → manifests."""
