"""When TSEs could not be used."""
