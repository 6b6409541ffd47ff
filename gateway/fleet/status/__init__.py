"""Whether TSEs can sign, for probes and metrics."""
