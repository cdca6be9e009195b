"""Routes and policies in no product's terms: what every source of routes compiles into."""
