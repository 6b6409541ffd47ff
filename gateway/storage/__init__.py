"""Files that survive a crash: the state directory, atomic replacement, append-only logs, locks."""
