"""Who is asking, who may do what, and the keys behind it."""
