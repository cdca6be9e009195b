"""Typed models of what users write: frozen structs that hold only the fields Crossfade reads."""
