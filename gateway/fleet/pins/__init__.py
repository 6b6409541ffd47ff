"""Which PINs may be tried, and which were refused."""
