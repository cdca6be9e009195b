"""What objects report back to their authors: decided by pure functions, written by one writer."""
