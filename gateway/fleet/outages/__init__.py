"""The record of times in which TSEs could not be used."""
