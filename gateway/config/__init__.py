"""Settings and PINs, from the environment, files and TOML."""
