"""Which connections are served while more come than can be: those that have not shown the API token have few places.

A connection gets a place when its client has sent something. It keeps the place for two seconds at least, even when it
ends sooner, and gives it back at once with the right token. While others wait, whoever has had a place for two seconds
gives way to them, the addresses in turn. So the address of a till has 50 tries a second at most, and all together have
100: half of ten digits takes 18 months. Connections with the right token are never counted and never give way.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Protocol

HOLD = 2.0  # seconds
PLACES, PLACES_OF_ONE = 200, 100  # in all, of one address
WAITING, WAITING_OF_ONE = 1024, 256  # connections that say nothing yet, or wait for a place
_LOOK_AGAIN = 0.05  # seconds, while somebody waits
_AT_ONCE, _PAUSE = 4, 0.005  # handshakes that begin before a till has its turn, and seconds until the next ones


class LimitedConnection(Protocol):
    """A connection, as far as admission is concerned; told apart by identity."""

    @property
    def network(self) -> str:
        """Where it comes from: an IPv4 address, or the /64 of an IPv6 address."""
        ...

    @property
    def has_left(self) -> bool:
        """Return whether its client has hung up."""
        ...

    def serve(self) -> None:
        """Serve it: it has a place."""

    def close(self) -> None:
        """Give it up; nothing of it is reported back."""


@lru_cache(1024)  # each request asks for the one address of its connection, which takes 4 us to parse
def network_of(address: str) -> str:
    """Return what counts as one address: whoever has one of IPv6 has all 2**64 of its network."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address


class Admission:
    """The places of one process; `most` is how many connections may be open, `later` is `loop.call_later`."""

    def __init__(
        self, most: int, *, clock: Callable[[], float], later: Callable[[float, Callable[[], None]], object]
    ) -> None:
        self._most = most
        self._clock = clock
        self._later = later
        self._open: set[LimitedConnection] = set()
        self._silent: dict[str, dict[LimitedConnection, None]] = {}
        self._waiting: OrderedDict[str, deque[LimitedConnection]] = OrderedDict()
        self._pending: Counter[str] = Counter()  # silent and waiting ones of each address
        self._all_pending = 0
        self._served: dict[LimitedConnection, float] = {}  # since when, the oldest first; some have ended already
        self._served_of: dict[str, dict[LimitedConnection, None]] = {}
        self._looking = False
        self._begun = 0

    def arrive(self, connection: LimitedConnection) -> bool:
        """Count a new connection that has said nothing yet; False if there is no room, then it is not counted."""
        if not self._make_room(connection.network):
            return False
        self._open.add(connection)
        self._silent.setdefault(connection.network, {})[connection] = None
        self._count(connection.network, 1)
        return True

    def speak(self, connection: LimitedConnection) -> None:
        """Let one that was silent wait for a place, which it may get at once."""
        _take(self._silent, connection)
        self._waiting.setdefault(connection.network, deque()).append(connection)
        self._fill()

    def authenticated(self, connection: LimitedConnection) -> None:
        """Give its place to the next one: it needs none."""
        if connection in self._served:
            self._vacate(connection)
            self._fill()

    def ended(self, connection: LimitedConnection) -> None:
        """Forget a connection that is closed; harmless when it was given up before."""
        self._forget(connection)
        self._fill()

    def _forget(self, connection: LimitedConnection) -> None:
        network = connection.network
        self._open.discard(connection)
        if connection in self._served:
            if self._clock() - self._served[connection] >= HOLD:
                self._vacate(connection)
        elif connection in self._silent.get(network, ()):
            _take(self._silent, connection)
            self._count(network, -1)
        elif connection in self._waiting.get(network, ()):
            self._waiting[network].remove(connection)
            self._leave(network)

    def _leave(self, network: str) -> None:
        """Count one less that waits there."""
        self._count(network, -1)
        if not self._waiting[network]:
            del self._waiting[network]

    def _make_room(self, network: str) -> bool:
        """Close a connection that has said nothing, of whoever has most of them, if there are too many."""
        if self._pending[network] >= WAITING_OF_ONE:
            crowd = network
        elif self._all_pending >= WAITING or len(self._open) >= self._most:
            crowd = max(self._pending, key=self._pending.__getitem__, default="")
        else:
            return True
        silent = self._silent.get(crowd)
        if silent:
            self._give_up(next(iter(silent)))
        elif crowd in self._waiting and crowd != network:
            self._give_up(self._waiting[crowd][-1])
        else:
            return False
        return True

    def _count(self, network: str, change: int) -> None:
        self._all_pending += change
        self._pending[network] += change
        if not self._pending[network]:
            del self._pending[network]

    def _give_up(self, connection: LimitedConnection) -> None:
        self._forget(connection)
        connection.close()

    def _fill(self) -> None:
        while self._waiting and self._begun < _AT_ONCE and (network := self._next()) is not None:
            candidate = self._waiting[network].popleft()
            self._waiting.move_to_end(network)
            self._leave(network)
            self._served[candidate] = self._clock()
            self._served_of.setdefault(network, {})[candidate] = None
            self._begun += 1
            candidate.serve()
        if (self._waiting or self._begun) and not self._looking:
            self._looking = True
            self._later(_PAUSE if self._begun else _LOOK_AGAIN, self._look)

    def _look(self) -> None:
        self._looking = False
        self._begun = 0
        self._fill()

    def _next(self) -> str | None:
        """Return the address whose turn it is, after one has given way if need be; None if nobody can be served."""
        while self._served and (first := next(iter(self._served))) not in self._open and self._is_over(first):
            self._vacate(first)
        full = len(self._served) >= PLACES
        if full and not self._is_over(next(iter(self._served))):
            return None
        for network in list(self._waiting):
            own = self._served_of.get(network, {})
            crowd = own if len(own) >= PLACES_OF_ONE else self._served if full else {}
            oldest = next(iter(crowd), None)  # whoever has to give way
            if (oldest is None or self._is_over(oldest)) and self._somebody_waits(network):
                if oldest is not None:
                    self._displace(oldest)
                return network
        return None

    def _displace(self, connection: LimitedConnection) -> None:
        self._vacate(connection)
        if connection in self._open:
            self._give_up(connection)

    def _is_over(self, connection: LimitedConnection) -> bool:
        """Return whether it has had its place for long enough."""
        return self._clock() - self._served[connection] >= HOLD

    def _somebody_waits(self, network: str) -> bool:
        """Return whether one that waits there is still connected; the others are let go."""
        while (queue := self._waiting.get(network)) and queue[0].has_left:
            self._give_up(queue[0])
        return bool(queue)

    def _vacate(self, connection: LimitedConnection) -> None:
        del self._served[connection]
        _take(self._served_of, connection)


def _take(table: dict[str, dict[LimitedConnection, None]], connection: LimitedConnection) -> None:
    of_one = table[connection.network]
    del of_one[connection]
    if not of_one:
        del table[connection.network]
