"""Routes and policies in no product's terms: what every source of routes compiles into.

`tables` are what the policy module decides by; `routes` and `matches` what Envoy decides by where there is no module.
"""
