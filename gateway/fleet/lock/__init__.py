"""The lock of a TSE: one holder, the others in a queue."""
