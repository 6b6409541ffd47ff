"""Log lines, events and metrics."""
