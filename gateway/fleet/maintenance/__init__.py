"""What the gateway does for a TSE by itself: self test, time, flash health."""
