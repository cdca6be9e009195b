"""The DJ walkthrough: its commands and what each must show, replayed on a cluster."""
