"""From what a client sent to the object that is stored."""
