"""Looks at everything from the USB socket to the clock, layer by layer, and tells what is wrong and what helps."""
