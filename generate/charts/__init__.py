"""`charts/`, written from `crossfade.install`: what `crossfade install` prints is what the charts render."""
