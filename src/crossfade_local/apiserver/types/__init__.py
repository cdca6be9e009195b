"""Which resources exist and what their objects look like."""
