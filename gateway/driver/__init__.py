"""How to reach one TSE: sector exchange, threads, transports."""
