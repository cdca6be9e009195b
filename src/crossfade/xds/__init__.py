"""Delta ADS: what each proxy was sent, what it took, what it refused."""
