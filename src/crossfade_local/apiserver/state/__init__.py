"""Objects in memory and in SQLite, and picking among them by labels and fields."""
