"""A Kubernetes API as its clients see it: metadata and built-in kinds as structs, HTTP, watches, leases, Events.

It knows neither the product nor the embedded cluster; `client` is the only module that talks to a Kubernetes API.
`certificates`, `logging`, `tasks` and `port_owner` are here because both packages above need them.
"""
