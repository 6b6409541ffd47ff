"""The status page at `/`: what is known of the TSEs, drawn from snapshots; no TSE is asked for it."""
