"""Which TSEs there are, and who holds them."""
