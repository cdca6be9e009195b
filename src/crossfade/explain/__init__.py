"""`crossfade explain`: what becomes of a request and why, by the router and the plugins that serve."""
