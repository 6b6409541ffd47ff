"""Bodies of requests: read when all else was checked, each with a bound, all together within a budget.

Until then a body stays in its socket, and a client that asks with `Expect: 100-continue` sends none. Large ones wait
for their turn in memory; those that tills send with every receipt are small and never wait.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestPayloadError

from gateway.errors import BadRequest
from gateway.i18n.text import Text
from gateway.storage import strict_json

SMALL = 64 * 1024  # bytes
_BUDGET = 16 * 2**20  # bytes of large bodies at the same time; parsed, they take about three times that
_PROGRESS = 30.0  # seconds without a byte
_PATIENCE = 45.0  # seconds for a turn; tills have given up after 60
_LEFT = 2**20  # bytes of a refused body that a till may still be sending
_LEFT_SECONDS = 5.0
CONTINUE = "100-continue"


class Budget:
    """Bytes of large bodies that may be in memory; first come, first served."""

    def __init__(self, size: int = _BUDGET) -> None:
        self._size = self._free = size
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    async def take(self, wanted: int) -> int:
        """Wait until so many bytes are free, or all of them if that is more; return how many there are to give back."""
        wanted = min(wanted, self._size)
        async with self._turn:
            while self._free < wanted:
                self._freed.clear()
                await self._freed.wait()
            self._free -= wanted
        return wanted

    def give_back(self, taken: int) -> None:
        """Let the next one have them."""
        self._free += taken
        self._freed.set()


BUDGET = web.AppKey("body_budget", Budget)


@asynccontextmanager
async def received(request: web.Request, longest: int) -> AsyncIterator[bytes]:
    """Yield the body; its memory is accounted for while the block runs.

    Raises:
        HTTPRequestEntityTooLarge: it has more than `longest` bytes, or more than the setting max_body_bytes.
        HTTPServiceUnavailable: others sent large bodies all the time.
        HTTPRequestTimeout: the client stopped in the middle.
        BadRequest: the client hung up, or sent no HTTP.
    """
    longest, length = _bounds(request, longest)
    budget = request.app[BUDGET]
    taken = 0
    try:
        if length > SMALL:
            async with asyncio.timeout(_PATIENCE):
                taken = await budget.take(length)
    except TimeoutError:
        raise web.HTTPServiceUnavailable from None
    try:
        yield await _read(request, longest)
    finally:
        budget.give_back(taken)


async def small(request: web.Request, longest: int) -> bytes:
    """Return a body that may have `longest` bytes, `SMALL` at most: no budget is needed. Errors as of `received`."""
    longest, _ = _bounds(request, longest)
    return await _read(request, longest)


async def expect(_: web.Request) -> None:
    """For routes, instead of aiohttp's own: whether a body is wanted shows only when the request was checked."""


async def skip_rest(request: web.Request) -> None:
    """Read what is left of a refused body that is not large, and forget it.

    Else the connection is reset, and Windows throws the response away that says why.
    """
    length = request.content_length
    if length is None or length > _LEFT or hdrs.EXPECT in request.headers:
        return
    with suppress(TimeoutError, ConnectionError, RequestPayloadError):
        async with asyncio.timeout(_LEFT_SECONDS):
            while not request.content.at_eof():
                await request.content.readany()


def from_json(body: bytes) -> object:
    """Return the value of a JSON text.

    Raises:
        BadRequest: it is none, or none that `strict_json` takes.
    """
    try:
        return strict_json.parse(body)
    except ValueError as error:
        raise BadRequest(
            Text("the body is not JSON: {error}", "der Body ist kein JSON: {error}"), error=error
        ) from None


def _bounds(request: web.Request, longest: int) -> tuple[int, int]:
    """Return how many bytes the body may have, and how many it can have by what its head says."""
    longest, told = min(longest, request.client_max_size), request.content_length
    if told is None:
        return longest, longest
    if told > longest:
        raise web.HTTPRequestEntityTooLarge(longest, told)
    return longest, told


async def _read(request: web.Request, longest: int) -> bytes:
    if hdrs.EXPECT in request.headers:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # this was not the response
    if request.content.is_eof() and request.content.exception() is None:  # what is small came with its head
        body = request.content.read_nowait()
        if len(body) > longest:
            raise web.HTTPRequestEntityTooLarge(longest, len(body))
        return body
    parts: list[bytes] = []
    size = 0
    try:
        while not request.content.at_eof():
            async with asyncio.timeout(_PROGRESS):
                parts.append(await request.content.readany())
            size += len(parts[-1])
            if size > longest:
                raise web.HTTPRequestEntityTooLarge(longest, size)
        return b"".join(parts)
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except (ConnectionError, RequestPayloadError):
        raise BadRequest(Text("the body broke off", "der Body brach ab")) from None
    finally:
        parts.clear()  # the stream keeps the error that broke it off, which keeps this frame, until it is collected
