"""Uses of tokens by their names; operators choose these, and there are 200 at most."""

from gateway.telemetry.metrics.series import Series, kept


class TokenMetrics:
    """Series of the tokens."""

    def __init__(self, make: Series) -> None:
        self._uses = make.counter(
            "tse_gateway_token_uses",
            "Requests with a token, by its name and whether it was replaced meanwhile",
            "token",
            "old",
        )
        self._uses_of = kept(self._uses)

    def used(self, name: str, *, old: bool) -> None:
        """Count a request."""
        self._uses_of(name, "true" if old else "false").inc()
