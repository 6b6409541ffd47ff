"""What a till or an operator wants, in domain words."""
