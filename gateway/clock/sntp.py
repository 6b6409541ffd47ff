"""One request to a time server, and what its reply is worth (SNTP version 4, RFC 4330). No I/O, no clock.

0  leap (2 bits) | version (3) | mode (3)      1  stratum     2  poll     3  precision
4  root delay, u16.u16                         8  root dispersion, u16.u16
12  reference: at stratum 0 the reason in four letters ("kiss of death", RFC 4330, 8)
16  reference time, u32.u32    24  originate: what the request sent
32  received                   40  sent
"""

import struct
from dataclasses import dataclass

from gateway.errors import ProtocolError, UnfitValue
from gateway.i18n.text import Text

PORT = 123
PACKET = 48
NONCE = 8

_REQUEST = 4 << 3 | 3  # no leap, version 4, client
_REPLY_MODE = 4
_VERSIONS = range(3, 5)
_UNSYNCHRONISED = 3
_STRATA = range(1, 16)
_FORM = struct.Struct(">BBBb II 4s 8s 8s 8s 8s")
_1970 = 2_208_988_800  # seconds from 1900, where era 0 of NTP begins
_ERA = 2**32
_LONGEST_ROOT = 1.0  # seconds; beyond it a server is too far from a real clock


class KissOfDeath(ProtocolError):
    """The server does not want to be asked; `reason` has four letters, as RATE or DENY, or is in hexadecimal."""

    def __init__(self, reason: str) -> None:
        super().__init__(Text("the time server refuses: {reason}", "der Zeitserver lehnt ab: {reason}"), reason=reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TimeServer:
    """A time server as an operator names it."""

    host: str
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> "TimeServer":
        """Parse `host`, `host:port`, an IPv6 address or `[address]:port`; raise `ValueError` for anything else."""
        host, colon, port = text.rpartition(":")
        if not colon or (":" in host and not text.startswith("[")) or (host.startswith("[") and not host.endswith("]")):
            host, port = text, str(PORT)
        host = host.strip("[]")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise UnfitValue(
                Text(
                    "no time server: use a name or address, and :port if it is not {port}",
                    "kein Zeitserver: einen Namen oder eine Adresse angeben, und :Port, wenn er nicht {port} ist",
                ),
                port=PORT,
            )
        return cls(host, int(port))


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: the system clock is `offset` seconds behind the server's, give or take `error` seconds."""

    offset: float
    error: float


def request(nonce: bytes) -> bytes:
    """Return the packet to send (48 bytes); `nonce` are 8 unguessable bytes, which the reply must bring back."""
    return bytes([_REQUEST]).ljust(PACKET - NONCE, b"\0") + nonce


def evaluate(reply: bytes, nonce: bytes, sent_at: float, received_at: float) -> Sample:
    """Return what a reply is worth; `sent_at` and `received_at` in Unix seconds of the system clock (RFC 4330, 5).

    Raises:
        KissOfDeath: the server does not want to be asked.
        ProtocolError: it is no reply to this request, or from a server that is not synchronised itself.
    """
    if len(reply) < PACKET:
        raise ProtocolError(
            Text(
                "a reply of {given} bytes is none of a time server",
                "eine Antwort von {given} Bytes ist keine eines Zeitservers",
            ),
            given=len(reply),
        )
    head, stratum, _, _, delay, dispersion, reference, _, originate, received, sent = _FORM.unpack_from(reply)
    if head & 7 != _REPLY_MODE or head >> 3 & 7 not in _VERSIONS or originate != nonce:
        raise ProtocolError(Text("not the reply to this request", "nicht die Antwort auf diese Anfrage"))
    if stratum == 0:
        raise KissOfDeath(reference.decode("latin-1") if reference.isalnum() else reference.hex())
    root = (delay / 2 + dispersion) / 2**16
    if head >> 6 == _UNSYNCHRONISED or stratum not in _STRATA or root > _LONGEST_ROOT or not any(sent):
        raise ProtocolError(
            Text("the time server is not synchronised itself", "der Zeitserver ist selbst nicht synchronisiert")
        )
    arrived, left = _unix(received), _unix(sent)
    travelled = (received_at - sent_at) - (left - arrived)
    if left < arrived or travelled < 0:
        raise ProtocolError(Text("the times in the reply cannot be", "die Zeiten in der Antwort können nicht stimmen"))
    return Sample(((arrived - sent_at) + (left - received_at)) / 2, travelled / 2 + root)


def _unix(stamp: bytes) -> float:
    seconds, fraction = int.from_bytes(stamp[:4], "big"), int.from_bytes(stamp[4:], "big")
    era = 0 if seconds >= _ERA // 2 else _ERA  # RFC 4330, 3: without the top bit it is after 2036
    return seconds + era - _1970 + fraction / 2**32
