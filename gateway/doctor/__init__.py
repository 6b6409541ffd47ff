"""Examines everything a gateway rests on, from the USB port to the clock, and tells what is wrong and what helps."""
