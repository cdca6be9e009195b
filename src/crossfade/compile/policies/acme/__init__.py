"""acme: certificates of an authority that speaks ACME."""
