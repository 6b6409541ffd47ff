"""Who may ask for what: tokens with names and roles, and when each was used."""
