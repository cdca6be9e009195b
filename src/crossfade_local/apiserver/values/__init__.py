"""Reading single values, and writing them as Go does."""
