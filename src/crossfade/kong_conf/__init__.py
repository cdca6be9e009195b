"""Kong's own settings, from `kong.conf` and `KONG_*`: their names, values and effects. Standard library only."""
