"""cors: browsers learn which origins may read responses."""
