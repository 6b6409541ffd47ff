"""Live updates by server-sent events: what changed on the page, and now and then that the gateway is still there.

event: parts      {"title": ..., "parts": {id: tree}}    those that differ from what was sent before
event: alive      nothing has changed for a while
event: reload     the open page is not the one that this visitor would get now
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus

from aiohttp import hdrs, web

from gateway.errors import GatewayError
from gateway.server.page.view import Rendered

_LOOK = 0.9  # seconds; a TSE that fails is to be seen within two
_ALIVE = 10.0
_SLOW = 15.0  # a browser that takes nothing for so long is let go
_MOST, _MOST_OF_ONE = 24, 12  # pages; of one address, which may be a terminal server


class TooManyViewers(GatewayError):
    """As many pages are open as are kept up to date; this one is tried again later."""

    code = "too_many_viewers"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class Streams:
    """The open pages of all browsers."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._end = asyncio.Event()

    async def end(self, _: web.Application | None = None) -> None:
        """The gateway stops, and does not wait for those who look."""
        self._end.set()

    async def serve(self, request: web.Request, render: Callable[[], Rendered | None]) -> web.StreamResponse:
        """Until the browser or the gateway has enough; `render` gives None when the page must be loaded anew.

        Raises:
            TooManyViewers: there are enough already.
        """
        peer = request.remote or ""
        if self._open.total() >= _MOST or self._open[peer] >= _MOST_OF_ONE:
            raise TooManyViewers("enough pages are kept up to date already: load this one again to see what is new")
        headers = {hdrs.CACHE_CONTROL: "no-store", "X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no"}
        answer = web.StreamResponse(headers={**headers, hdrs.CONTENT_TYPE: "text/event-stream"})
        self._open[peer] += 1
        try:
            await answer.prepare(request)
            await self._send_changes(answer, render)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._open[peer] -= 1
            self._open += Counter()  # forgets who has none
        return answer

    async def _send_changes(self, answer: web.StreamResponse, render: Callable[[], Rendered | None]) -> None:
        sent: Mapping[str, str] = {}
        told = asyncio.get_running_loop().time()
        await _write(answer, "retry: 2000\n\n")
        while not self._end.is_set():
            rendered = render()
            if rendered is None:
                await _write(answer, "event: reload\ndata:\n\n")
                return
            now = asyncio.get_running_loop().time()
            changed = {name: text for name, text in rendered.texts.items() if sent.get(name) != text}
            if changed:
                await _write(answer, f"event: parts\ndata: {_message(rendered, changed)}\n\n")
                sent, told = rendered.texts, now
            elif now - told >= _ALIVE:
                await _write(answer, "event: alive\ndata:\n\n")
                told = now
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_LOOK):
                await self._end.wait()
        except TimeoutError:
            return


def _message(rendered: Rendered, changed: dict[str, str]) -> str:
    parts = ",".join(f"{json.dumps(name)}:{text}" for name, text in changed.items())
    return f'{{"title":{json.dumps(rendered.title)},"parts":{{{parts}}}}}'


async def _write(answer: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(_SLOW):
        await answer.write(text.encode())
