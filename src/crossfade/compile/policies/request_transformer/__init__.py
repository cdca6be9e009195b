"""request-transformer: edits requests on their way to the upstream."""
