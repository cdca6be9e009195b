"""Programs of the built-in images and the catalogue that names them."""
