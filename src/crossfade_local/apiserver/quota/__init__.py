"""ResourceQuotas: what a namespace uses, counted with every write, and what it may not use any more."""
