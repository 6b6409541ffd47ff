"""Live updates by server-sent events: what changed on the page, and now and then that the gateway is still there.

event: parts      {"title": ..., "level": ..., "parts": {id: tree}}    those that differ from what was sent before
event: alive      nothing has changed for a while
event: reload     the open page is not the one that this visitor would get now
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping

from aiohttp import hdrs, web

from gateway.errors import GatewayError
from gateway.server.status_page.view import Rendered

Render = Callable[[float], Rendered | None]  # not older than this moment (time.monotonic); None: load the page anew

_LOOK = 0.9  # seconds
_SETTLE = 0.1  # after news: what belongs together is shown together
_ALIVE = 10.0
_SLOW = 15.0  # a browser that takes nothing for so long is let go
_MOST, _MOST_OF_ONE = 24, 12  # pages; of one address, which may be a terminal server


class TooManyViewers(GatewayError):
    """As many pages are open as are kept up to date; this one is tried again later."""

    code = "too_many_viewers"


class Streams:
    """The open pages of all browsers; `news` is set when a TSE came or went."""

    def __init__(self, news: asyncio.Event) -> None:
        self._news = news
        self._open: Counter[str] = Counter()
        self._end = asyncio.Event()

    async def end(self, _: web.Application | None = None) -> None:
        """The gateway stops, and does not wait for those who look."""
        self._end.set()

    async def serve(self, request: web.Request, render: Render) -> web.StreamResponse:
        """Until the browser or the gateway has enough.

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
            await self._send_changes(answer, render, lambda: _is_there(request))
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._open[peer] -= 1
            self._open += Counter()  # forgets who has none
        return answer

    async def _send_changes(self, answer: web.StreamResponse, render: Render, is_there: Callable[[], bool]) -> None:
        sent: Mapping[str, str] = {}
        oldest = told = time.monotonic()
        await _write(answer, "retry: 2000\n\n")
        while is_there() and not self._end.is_set():
            rendered = render(oldest)
            if rendered is None:
                await _write(answer, "event: reload\ndata:\n\n")
                return
            now = time.monotonic()
            changed = {name: text for name, text in rendered.texts.items() if sent.get(name) != text}
            if changed:
                await _write(answer, f"event: parts\ndata: {_message(rendered, changed)}\n\n")
                sent, told = rendered.texts, now
            elif now - told >= _ALIVE:
                await _write(answer, "event: alive\ndata:\n\n")
                told = now
            oldest = await self._next_look()

    async def _next_look(self) -> float:
        """Wait; gives how old at most that may be which is looked at then."""
        # All look at the same moments, so that they share what is made for one of them.
        pause = _LOOK - time.monotonic() % _LOOK
        waiting = [asyncio.create_task(event.wait()) for event in (self._end, self._news)]
        try:
            await asyncio.wait(waiting, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        now = time.monotonic()
        if not waiting[1].done():
            return now - _LOOK / 2
        await asyncio.sleep(_SETTLE)
        return now


def _is_there(request: web.Request) -> bool:
    """A window that was closed leaves its place at once, not with the next news."""
    return request.transport is not None and not request.transport.is_closing()


def _message(rendered: Rendered, changed: dict[str, str]) -> str:
    parts = ",".join(f"{json.dumps(name)}:{text}" for name, text in changed.items())
    return f'{{"title":{json.dumps(rendered.title)},"level":"{rendered.level}","parts":{{{parts}}}}}'


async def _write(answer: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(_SLOW):
        await answer.write(text.encode())
