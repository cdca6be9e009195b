"""Reading single values, and writing them: as Go does, or to be kept."""
