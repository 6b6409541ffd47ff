"""Receipts that the pool signs, whichever of its TSEs serves; never the same key on two of them.

A key belongs to the TSE on which it was begun, for as long as the journal knows it: only that TSE can tell whether it
has signed. If it has failed since, the key waits for it, and the till decides: it issues the receipt as in an outage
(AEAO on section 146a AO, 1.14), or asks under a new key, which another TSE signs whatever the first one did.
A key of which nothing was begun, or which the first TSE has refused, is signed by the TSE that serves now.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import DeviceError, GatewayError, UnknownDevice
from gateway.fleet.pool import Pool
from gateway.i18n.text import Text
from gateway.operations.transactions import Transactions


class BegunElsewhere(GatewayError):
    """The receipt was begun on a TSE of the pool that has failed since; another serves, and does not sign it."""

    code = "begun_elsewhere"


class PoolSigning:
    """Chooses the TSE for each request to the pool."""

    def __init__(self, pool: Pool, transactions: Transactions) -> None:
        self._pool = pool
        self._transactions = transactions

    def serial_for(self, key: str | None) -> str:
        """Return the TSE that signs a request with this key: where it was begun, else the one that serves.

        Raises:
            NoPool: there is no pool.
        """
        serving = self._pool.serving
        return self._transactions.begun_at(key or "") or serving

    @contextmanager
    def telling(self, key: str | None, serial: str) -> Iterator[None]:
        """Tell in the error of a failed TSE that `key` was begun there, if another serves meanwhile."""
        try:
            yield
        except (DeviceError, UnknownDevice) as error:
            if self._pool.serving == serial or self._transactions.begun_at(key or "") != serial:
                raise
            raise BegunElsewhere(
                Text(
                    "this receipt was begun on TSE {serial}, which has failed: only it can tell whether it has signed. "
                    "Ask again with the same Idempotency-Key when it is back; until then issue the receipt as in an "
                    "outage. Under a new key TSE {serving} signs it, whatever the first one did ({error})",
                    "dieser Beleg wurde auf TSE {serial} begonnen, die ausgefallen ist: nur sie weiß, ob sie signiert "
                    "hat. Mit demselben Idempotency-Key wieder fragen, wenn sie zurück ist; bis dahin den Beleg wie "
                    "bei einem Ausfall ausstellen. Unter einem neuen Key signiert ihn TSE {serving}, was die erste "
                    "auch getan hat ({error})",
                ),
                serial=serial,
                serving=self._pool.serving,
                error=error,
            ) from None
