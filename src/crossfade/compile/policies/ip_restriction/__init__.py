"""ip-restriction: requests are let in by the address they come from."""
