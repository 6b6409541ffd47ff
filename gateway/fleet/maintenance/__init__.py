"""Self test, time and flash health, kept without being asked."""
