"""TSEs behind another LAN-TSE connector."""
