"""Clients of a running gateway: its JSON API, trust in its certificate, the health check, virtual drives."""
