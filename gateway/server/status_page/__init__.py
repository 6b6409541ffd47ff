"""The status page for people: what is known of the TSEs, drawn from snapshots; no TSE is ever asked for it."""
