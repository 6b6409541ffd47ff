"""Places beyond this machine where archives are kept, too."""
