"""Kong's kinds as their users write them; fields stay at the top level, as in Kong."""
