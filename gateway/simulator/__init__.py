"""A TSE in software, in the place of the USB device; nothing in the gateway ever falls back to it."""
