"""Signatures and receipts of each till, if they are wanted (GATEWAY_METRICS_CLIENTS)."""

import time

from gateway.telemetry.metrics.series import Series

_MOST = 100  # of one TSE, which is as many as it registers; whoever comes later is left out


class ClientMetrics:
    """Series by client id, as the TSE accepted it; a till that is deregistered is forgotten."""

    def __init__(self, make: Series, *, wanted: bool) -> None:
        labels = ("serial", "client")
        self._wanted = wanted
        self._known: dict[str, set[str]] = {}
        self._receipts = make.counter("tse_client_receipts", "Transactions that the till finished", *labels)
        self._seen = make.gauge(
            "tse_client_last_seen_timestamp_seconds", "When the till last had something signed", *labels
        )

    def signed(self, serial: str, client: bytes, *, finished: bool) -> None:
        """Count a step of a transaction that the TSE signed for `client`."""
        name, known = client.decode("latin-1"), self._known.setdefault(serial, set())
        if not self._wanted or (len(known) >= _MOST and name not in known):
            return
        known.add(name)
        self._seen.labels(serial, name).set(time.time())
        self._receipts.labels(serial, name).inc(finished)

    def gone(self, serial: str, client: bytes) -> None:
        """Forget a client that the TSE does not know any more."""
        name, known = client.decode("latin-1"), self._known.get(serial, set())
        if name in known:
            known.discard(name)
            self._seen.remove(serial, name)
            self._receipts.remove(serial, name)
