"""The policy module as the control plane knows it: where the library lies, and what it says of configurations.

The same code decides in the data plane, so nothing can be accepted here that is refused there.
"""
