"""The lines between tills and a gateway: requests take their time, and connections break where it hurts."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, TypeVar

from gateway.errors import GatewayError
from tests.simulation.front import Connection, Gateway

T = TypeVar("T")
PATIENCE = 60.0  # seconds after which the vendor's library gives up
_SLOWEST = 0.005  # seconds each way
_LONGEST_REQUEST = 0.3
_DOOR = 20.0  # seconds for which a connection waits for a gateway that is being started
_BEFORE_REQUEST, _BEFORE_ANSWER, _WITH_ANSWER = 0.3, 0.6, 0.8  # of all cuts; the rest come behind the answer
_UNNOTICED = 0.5  # of all cuts: the gateway takes the connection for alive


class Unanswered(Exception):
    """The connection died before the first byte of an answer."""


class Network:
    """`gateway` is the one that can be reached now. With a `door` a connection waits for the next one, else fails.

    `cuts` is the chance that a connection breaks during a request.
    """

    def __init__(self, chance: Random, *, door: bool) -> None:
        self.chance = chance
        self.cuts = 0.0
        self.broken = 0
        self.longest = 0.0  # seconds that somebody waited for an answer
        self._door = door
        self._open = asyncio.Event()
        self._gateway: Gateway | None = None

    @property
    def gateway(self) -> Gateway | None:
        return self._gateway

    def opens(self, gateway: Gateway) -> None:
        """A gateway serves."""
        self._gateway = gateway
        self._open.set()

    def closes(self) -> None:
        """It does no longer; its connections end."""
        if self._gateway is not None:
            for connection in self._gateway.connections.values():
                connection.alive = False
                connection.ended.set()
        self._gateway = None
        self._open.clear()

    async def reached(self) -> Gateway:
        """The gateway, for a new connection.

        Raises:
            Unanswered: there is none.
        """
        if self._gateway is None and self._door:
            with suppress(TimeoutError):
                async with asyncio.timeout(_DOOR):
                    await self._open.wait()
        if self._gateway is None:
            raise Unanswered
        return self._gateway


class Line:
    """From one till: one connection, which is kept from request to request."""

    def __init__(self, network: Network, name: str) -> None:
        self._network = network
        self._name = name
        self._connections = 0
        self._at: tuple[Gateway, Connection] | None = None
        self.off = False  # the till has no power
        self.impatient = True  # not while it waits for a self test of its own, which takes its time

    @property
    def is_open(self) -> bool:
        return self._at is not None

    def close(self) -> None:
        """Drop the connection."""
        if self._at is not None:
            gateway, connection = self._at
            connection.alive = False
            gateway.connections.pop(connection.peer, None)
            self._at = None

    async def ask(self, request: Callable[[Gateway, Connection], Awaitable[T]]) -> T:
        """One try of a request.

        Raises:
            Unanswered: the connection died before an answer.
            TimeoutError: none came for as long as a till waits.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._exchange(request)
        except (Unanswered, TimeoutError):
            self.close()
            raise
        finally:
            if self.impatient:
                self._network.longest = max(self._network.longest, loop.time() - began)

    async def _exchange(self, request: Callable[[Gateway, Connection], Awaitable[T]]) -> T:
        chance = self._network.chance
        if self.off:
            raise Unanswered
        await asyncio.sleep(chance.random() * _SLOWEST)
        if self._at is None:
            gateway = await self._network.reached()
            self._connections += 1
            connection = Connection(f"{self._name}:{self._connections}")
            gateway.connections[connection.peer] = connection
            self._at = gateway, connection
        gateway, connection = self._at
        cut = chance.random() if chance.random() < self._network.cuts else None
        self._network.broken += cut is not None
        if connection.ended.is_set() or (cut is not None and cut < _BEFORE_REQUEST):  # before the request arrives
            raise Unanswered
        answer = gateway.start(_outcome(request(gateway, connection)))
        ended = asyncio.ensure_future(connection.ended.wait())
        patience = chance.random() * _LONGEST_REQUEST if cut is not None and cut < _BEFORE_ANSWER else None
        await asyncio.wait({answer, ended}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not answer.done() or (cut is not None and cut < _WITH_ANSWER):
            if cut is not None and chance.random() < _UNNOTICED:
                self._at = None
            raise Unanswered
        await asyncio.sleep(chance.random() * _SLOWEST)
        if cut is not None:
            connection.alive = False
            connection.ended.set()  # behind the answer
        return answer.result()()


async def _outcome(work: Awaitable[T]) -> Callable[[], T]:
    """What becomes of `work`, so that nobody has to fetch it: a till may be gone by then."""
    try:
        result = await work
    except GatewayError as error:
        return partial(_raised, error)
    return lambda: result


def _raised(error: GatewayError) -> Any:
    raise error
