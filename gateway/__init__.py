"""TSE Gateway: serves USB TSEs to the network by the LAN-TSE protocol."""

__version__ = "0.2.0"
