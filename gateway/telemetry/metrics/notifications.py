"""Notifications by mail and webhook."""

from gateway.telemetry.metrics.series import Series


class NotificationMetrics:
    """How many were sent; a channel has series once it has sent or failed."""

    def __init__(self, make: Series) -> None:
        self._sent = make.counter(
            "tse_gateway_notifications",
            "Notifications: sent, failed (a try; it is repeated), given_up (never sent)",
            "channel",
            "result",
        )

    def adopt(self, channel: str) -> None:
        """Show all series of a channel as 0: a counter that begins with 1 would hide the first event."""
        for result in ("sent", "failed", "given_up"):
            self._sent.labels(channel, result)

    def counted(self, channel: str, result: str) -> None:
        """Count one."""
        self._sent.labels(channel, result).inc()
