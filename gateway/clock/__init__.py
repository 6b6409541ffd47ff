"""Whether the time of this machine is right, and the time of SNTP servers."""
