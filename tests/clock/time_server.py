"""A time server on this machine, as good or bad as a test wants it."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.clock.sntp import TimeServer

Answers = Callable[[bytes], bytes | None]
_1900 = 2_208_988_800


def answer_to(
    packet: bytes,
    *,
    received: float = 0.0,
    sent: float | None = 0.0,
    leap: int = 0,
    version: int = 4,
    mode: int = 4,
    stratum: int = 2,
    root_delay: float = 0.0,
    root_dispersion: float = 0.0,
    reference: bytes = b"GPS\0",
    nonce: bytes | None = None,
) -> bytes:
    """An answer to the question `packet`; moments in Unix seconds."""
    return struct.pack(
        ">BBBb II 4s 8s 8s 8s 8s",
        leap << 6 | version << 3 | mode,
        stratum,
        0,
        -20,
        int(root_delay * 2**16),
        int(root_dispersion * 2**16),
        reference,
        bytes(8),
        packet[40:48] if nonce is None else nonce,
        _stamp(received),
        bytes(8) if sent is None else _stamp(sent),
    )


@asynccontextmanager
async def time_server(answers: Answers) -> AsyncIterator[TimeServer]:
    """Serves until the end of the block; `None` is no answer."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Service(answers), local_addr=("127.0.0.1", 0)
    )
    try:
        yield TimeServer("127.0.0.1", transport.get_extra_info("sockname")[1])
    finally:
        transport.close()


class _Service(asyncio.DatagramProtocol):
    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        answer = self._answers(data)
        if answer is not None:
            self._transport.sendto(answer, address)


def _stamp(unix: float) -> bytes:
    seconds = int(unix // 1)
    return struct.pack(">II", (seconds + _1900) % 2**32, int((unix - seconds) * 2**32))
