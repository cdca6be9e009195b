"""prometheus: counts requests for Prometheus."""
