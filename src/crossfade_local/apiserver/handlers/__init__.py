"""One module per kind of request; each turns a `Call` into an `Answer`."""
