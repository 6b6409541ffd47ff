"""The seven requests of the LAN-TSE protocol from the client's side, on one connection.

GET  {base}/tses                                           -> ["<serial>", ...]
GET  {base}/tse/{serial}/lock                              -> {"data": <session>}
GET  {base}/tse/{serial}/{session}/unlock                  -> anything
GET  {base}/tse/{serial}/{session}/readInfo                -> {"data": "<base64>"}
GET  .../readWormStore?offset=<block>&numblocks=<blocks>   -> {"data": "<base64>"}
POST .../sendCommand                  {"data": "<base64>"} -> {"data": "<base64>"}
POST .../writeWormStore?offset=<block>  {"data": "<base64>"} -> anything

Each TSE gets a connection of its own, since a connector tells a request that was sent again from a new
one by its connection. No POST is ever sent a second time: aiohttp repeats a request when a kept connection
turns out to be dead, but only GET and its like (tests/driver shows it), and redirects, which could carry
a POST on, are not followed. The GETs may be repeated: a lock whose grant was lost lapses upstream.
"""

import asyncio
import base64
import io
import re
import ssl
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import aiohttp
from aiohttp.connector import NEEDS_CLEANUP_CLOSED
from yarl import URL

from gateway.driver.lan import errors
from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.storage import strict_json
from gateway.tse.sectors import MAX_REPLY, SECTOR

T = TypeVar("T")
Trust = ssl.SSLContext | aiohttp.Fingerprint | bool

_CONNECT = 10.0  # seconds for TCP and TLS
_LIST = 15.0
_KEPT = 300.0  # seconds that we keep an idle connection; within a session it should not change
_BIG = 256 * 1024  # bytes from which coding takes longer than changing to a thread
_SMALL_BODY = 64 * 1024  # most bytes of a response that carries no store
_SERIAL = re.compile(r"[0-9A-Fa-f]{64}")


class UpstreamConnection:
    """One connection to an upstream, for one request at a time. Each `limit` is in seconds.

    Every request raises `DeviceError` when no response came, `ProtocolError` when it was nonsense,
    and what the upstream refused it with (see `errors`).
    """

    def __init__(self, place: str, base: URL, trust: Trust, authorization: str) -> None:
        self._place = place
        self._base = base
        self._http = aiohttp.ClientSession(
            # What the connector closes is aborted with the session, not left behind in the middle of the end of TLS.
            connector=aiohttp.TCPConnector(
                limit=1, ssl=trust, keepalive_timeout=_KEPT, enable_cleanup_closed=NEEDS_CLEANUP_CLOSED
            ),
            headers={"Authorization": authorization, "Accept-Encoding": "identity", "User-Agent": "tse-gateway"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def serials(self) -> list[str]:
        """Return the serials of the TSEs there, in upper-case hex."""
        found = _json(await self._ask("GET", "tses", _LIST))
        if not isinstance(found, list) or not all(isinstance(item, str) and _SERIAL.fullmatch(item) for item in found):
            raise ProtocolError(
                Text(
                    "upstream {place} answered with no list of serials",
                    "Upstream {place} hat keine Liste von Seriennummern geschickt",
                ),
                place=self._place,
            )
        return [item.upper() for item in found]

    async def lock(self, serial: str, limit: float) -> int:
        """Return the id of a session; the upstream responds when the TSE is free.

        Raises:
            LockRefused: others held it as long as the upstream lets us wait.
        """
        session = _data(await self._ask("GET", f"tse/{serial}/lock", limit, locking=True))
        if not isinstance(session, int) or isinstance(session, bool) or not 0 <= session < 2**64:
            raise ProtocolError(
                Text("upstream {place} answered with no session", "Upstream {place} hat keine Sitzung geschickt"),
                place=self._place,
            )
        return session

    async def unlock(self, serial: str, session: int, limit: float) -> None:
        """Give the lock back."""
        await self._ask("GET", f"tse/{serial}/{session}/unlock", limit)

    async def read_info(self, serial: str, session: int, limit: float) -> bytes:
        """Return the info sector (512 bytes)."""
        response = await self._ask("GET", f"tse/{serial}/{session}/readInfo", limit)
        return self._of_size(_decoded(response), SECTOR)

    async def send_command(self, serial: str, session: int, command: bytes, limit: float) -> bytes:
        """Send one command, once, and return the data of its response."""
        response = await self._ask("POST", f"tse/{serial}/{session}/sendCommand", limit, posted=_encoded(command))
        data = _decoded(response)
        if len(data) > MAX_REPLY:
            raise ProtocolError(
                Text(
                    "upstream {place} answered a command with {given} bytes",
                    "Upstream {place} hat einen Befehl mit {given} Bytes beantwortet",
                ),
                place=self._place,
                given=len(data),
            )
        return data

    async def read_store(self, serial: str, session: int, block: int, count: int, limit: float) -> bytes:
        """Return `count` blocks (512 bytes each) of the store from `block`."""
        size = count * SECTOR
        path = f"tse/{serial}/{session}/readWormStore"
        response = await self._ask(
            "GET", path, limit, query={"offset": block, "numblocks": count}, most=2 * size + _SMALL_BODY
        )
        return self._of_size(await _in_thread_if_big(size, lambda: _decoded(response)), size)

    async def write_store(self, serial: str, session: int, block: int, data: bytes, limit: float) -> None:
        """Write whole blocks to the store at `block`, once."""
        posted = await _in_thread_if_big(len(data), lambda: _encoded(data))
        path = f"tse/{serial}/{session}/writeWormStore"
        await self._ask("POST", path, limit, query={"offset": block}, posted=posted)

    async def close(self) -> None:
        """Close the connection; harmless when it is closed already."""
        await self._http.close()

    async def _ask(
        self,
        method: str,
        path: str,
        limit: float,
        *,
        query: dict[str, int] | None = None,
        posted: bytes | None = None,
        most: int = _SMALL_BODY,
        locking: bool = False,
    ) -> bytes:
        try:
            async with self._http.request(
                method,
                (self._base / path).with_query(query),
                data=io.BytesIO(posted) if posted is not None and len(posted) > _BIG else posted,
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=limit, sock_connect=_CONNECT),
            ) as response:
                body = await self._read(response, most)
        except (aiohttp.ClientError, OSError) as error:
            raise errors.without_response(self._place, error, limit) from None  # its text holds the URL: the session
        if response.status != HTTPStatus.OK:
            raise errors.of_response(self._place, response.status, body, locking=locking)
        return body

    async def _read(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        body = bytearray()
        async for part in response.content.iter_any():
            body += part
            if len(body) > most:
                raise ProtocolError(
                    Text(
                        "upstream {place} answered with more than {most} bytes",
                        "Upstream {place} hat mehr als {most} Bytes geschickt",
                    ),
                    place=self._place,
                    most=most,
                )
        return bytes(body)

    def _of_size(self, data: bytes, size: int) -> bytes:
        if len(data) != size:
            raise ProtocolError(
                Text(
                    "upstream {place} answered with {given} instead of {size} bytes",
                    "Upstream {place} hat {given} statt {size} Bytes geschickt",
                ),
                place=self._place,
                given=len(data),
                size=size,
            )
        return data


async def _in_thread_if_big(size: int, work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work) if size > _BIG else work()


def _encoded(data: bytes) -> bytes:
    return b'{"data": "' + base64.b64encode(data) + b'"}'


def _decoded(body: bytes) -> bytes:
    text = _data(body)
    if not isinstance(text, str):
        raise ProtocolError(Text("the upstream answered with no data", "der Upstream hat ohne Daten geantwortet"))
    try:
        # Connectors may break the text into lines, as clients do.
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except ValueError:
        raise ProtocolError(
            Text(
                "the upstream answered with data that are not base64",
                "der Upstream hat Daten geschickt, die nicht base64 sind",
            )
        ) from None


def _data(body: bytes) -> object:
    document = _json(body)
    return document.get("data") if isinstance(document, dict) else None


def _json(body: bytes) -> object:
    try:
        document: object = strict_json.parse(body)
    except ValueError:
        raise ProtocolError(
            Text(
                "the upstream answered with something that is not JSON",
                "der Upstream hat etwas geschickt, das kein JSON ist",
            )
        ) from None
    return document
