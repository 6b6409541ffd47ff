"""German and English texts, and which of the two a reader wants."""
