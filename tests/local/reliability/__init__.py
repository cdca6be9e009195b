"""Kills and stops an embedded cluster's processes in random order, under writes and traffic: `make reliability`."""
