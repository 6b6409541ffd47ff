"""One question to a time server, and what its answer is worth (SNTP version 4, RFC 4330). No I/O, no clock.

0  leap (2 bits) | version (3) | mode (3)      1  stratum     2  poll     3  precision
4  root delay, u16.u16                         8  root dispersion, u16.u16
12  reference: at stratum 0 the reason in four letters ("kiss of death")
16  reference time, u32.u32    24  originate: what the question sent
32  received                   40  sent
"""

import struct
from dataclasses import dataclass

from gateway.errors import ProtocolError

PORT = 123
PACKET = 48
NONCE = 8

_QUESTION = 4 << 3 | 3  # no leap, version 4, client
_ANSWER_MODE = 4
_VERSIONS = range(3, 5)
_UNSYNCHRONISED = 3
_STRATA = range(1, 16)
_FORM = struct.Struct(">BBBb II 4s 8s 8s 8s 8s")
_1970 = 2_208_988_800  # seconds from 1900, where era 0 of NTP begins
_ERA = 2**32
_LONGEST_ROOT = 1.0  # seconds; beyond it a server is too far from a real clock


class KissOfDeath(ProtocolError):
    """The server does not want to be asked; `reason` has four letters, such as RATE or DENY."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the time server refuses: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Server:
    """A time server as an operator names it."""

    host: str
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> "Server":
        """From `host`, `host:port`, an IPv6 address, or `[address]:port`. `ValueError` when it is none of them."""
        host, colon, port = text.rpartition(":")
        if not colon or (":" in host and not text.startswith("[")) or (host.startswith("[") and not host.endswith("]")):
            host, port = text, str(PORT)
        host = host.strip("[]")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise ValueError(f"no time server: use a name or address, and :port if it is not {PORT}")
        return cls(host, int(port))


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer: our clock is `offset` seconds behind the server's, give or take `error`."""

    offset: float
    error: float


def question(nonce: bytes) -> bytes:
    """The packet to send; `nonce` are eight unguessable bytes, which the answer must bring back."""
    return bytes([_QUESTION]).ljust(PACKET - NONCE, b"\0") + nonce


def evaluate(answer: bytes, nonce: bytes, asked: float, answered: float) -> Sample:
    """What an answer tells that was asked for and came at these moments of our clock, in Unix seconds.

    Raises:
        KissOfDeath: the server wants to be left alone.
        ProtocolError: it is no answer to this question, or from a server without good time.
    """
    if len(answer) < PACKET:
        raise ProtocolError(f"an answer of {len(answer)} bytes is none of a time server")
    head, stratum, _, _, delay, dispersion, reference, _, originate, received, sent = _FORM.unpack_from(answer)
    if head & 7 != _ANSWER_MODE or head >> 3 & 7 not in _VERSIONS or originate != nonce:
        raise ProtocolError("not the answer to our question")
    if stratum == 0:
        raise KissOfDeath(reference.decode("latin-1") if reference.isalnum() else "no reason")
    root = (delay / 2 + dispersion) / 2**16
    if head >> 6 == _UNSYNCHRONISED or stratum not in _STRATA or root > _LONGEST_ROOT or not any(sent):
        raise ProtocolError("the time server is not synchronised itself")
    arrived, left = _unix(received), _unix(sent)
    travelled = (answered - asked) - (left - arrived)
    if left < arrived or travelled < 0:
        raise ProtocolError("the times in the answer cannot be")
    return Sample(((arrived - asked) + (left - answered)) / 2, travelled / 2 + root)


def _unix(stamp: bytes) -> float:
    seconds, fraction = int.from_bytes(stamp[:4], "big"), int.from_bytes(stamp[4:], "big")
    era = 0 if seconds >= _ERA // 2 else _ERA  # RFC 4330, 3: without the top bit it is after 2036
    return seconds + era - _1970 + fraction / 2**32
