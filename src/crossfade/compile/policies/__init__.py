"""One folder a plugin: its configuration's schema (`config.py`) and what the policy module is told (`plan.py`)."""
