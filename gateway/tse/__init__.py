"""The formats of a TSE: bytes in, values out. No I/O, no clock, no logging."""
