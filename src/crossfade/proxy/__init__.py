"""Starting an Envoy: `crossfade proxy` and the processes and folders under it. Standard library only."""
