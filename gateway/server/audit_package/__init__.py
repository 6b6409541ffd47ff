"""Everything that an auditor asks for, of a period, as one ZIP file: made while it is sent, one package at a time."""
