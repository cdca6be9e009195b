"""Wiring: settings, processes and the loops that connect the stages; the only reader of environment and files."""
