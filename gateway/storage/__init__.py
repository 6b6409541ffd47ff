"""Files that survive a crash: the state directory, replacement in one step, append-only logs, locks."""
