"""HTTP filters, one a module; their order stands in `order`."""
