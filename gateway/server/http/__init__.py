"""The HTTP server: TLS, tokens, middleware, sockets."""
