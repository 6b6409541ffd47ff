"""The way of one command to a TSE, and what is learnt from it."""
