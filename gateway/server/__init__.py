"""The gateway on the network: TLS, the API token, the LAN protocol, and what scrapers and operators read."""
