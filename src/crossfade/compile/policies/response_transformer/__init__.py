"""response-transformer: edits headers and JSON bodies on their way to the client."""
