"""What `crossfade install` prints: CRDs as YAML files, the rest as Python data."""
