"""`crossfade migrate`: what becomes of somebody's Kong configuration here, object by object and field by field."""
