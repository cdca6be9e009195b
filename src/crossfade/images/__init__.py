"""Programs of the images that an embedded cluster gets from the product, and the catalogue that names them."""
