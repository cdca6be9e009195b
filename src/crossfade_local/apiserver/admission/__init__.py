"""Admission: what the server and its webhooks change in or refuse of a write."""
