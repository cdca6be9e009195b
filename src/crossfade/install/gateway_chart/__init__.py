"""The chart of one gateway, with names, labels, ports and values as Kong's chart gives them."""
