"""Model to Envoy messages; the only package that knows them. Pure, except for `binary` and `validate`."""
