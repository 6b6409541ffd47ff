"""A TSE in software, where the stick would be; nothing in the gateway ever falls back to it."""
