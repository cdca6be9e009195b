"""The node agent: pods as processes in network namespaces, their status, probes, logs and streams."""
