"""correlation-id: every request has an id, by which its traces in several services belong together."""
