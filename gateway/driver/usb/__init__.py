"""TSEs on block devices and mounted volumes of this machine."""
