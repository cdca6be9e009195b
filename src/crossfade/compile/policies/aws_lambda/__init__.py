"""aws-lambda: a function of AWS' answers in place of the upstream."""
