"""oauth2: callers show a token that this gateway has given to an application."""
