"""The state of the TSEs from their last readings, for probes and metrics."""
