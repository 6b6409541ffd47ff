"""Live updates of the open pages by server-sent events.

event: parts      {"title": ..., "level": ..., "parts": {id: tree}}    those that differ from what was sent before
event: alive      nothing has changed for ten seconds
event: reload     the open page is not the one that this browser would get now
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping

from aiohttp import hdrs, web

from gateway.errors import GatewayError
from gateway.i18n.text import Text
from gateway.server.status_page.view import RenderedPage

# Returns the page as it was at this moment (time.monotonic) or later; None: it must be loaded again.
Render = Callable[[float], RenderedPage | None]

_UPDATE_EVERY = 0.9  # seconds
_SETTLE = 0.1  # seconds after news, so that what belongs together is shown together
_ALIVE = 10.0  # seconds
_SLOW = 15.0  # seconds; a browser that takes nothing for so long is disconnected
_MOST, _MOST_OF_ONE = 24, 12  # pages; of one address, which may be a terminal server


class TooManyViewers(GatewayError):
    """As many pages are open as are kept up to date; the browser tries again later."""

    code = "too_many_viewers"


class LiveUpdates:
    """The open pages of all browsers; `news` is set when a TSE came or went."""

    def __init__(self, news: asyncio.Event) -> None:
        self._news = news
        self._open = {True: Counter[str](), False: Counter[str]()}  # of administrators, of everybody
        self._end = asyncio.Event()

    async def end(self, _: web.Application | None = None) -> None:
        """End all updates, for the gateway stops."""
        self._end.set()

    async def serve(self, request: web.Request, render: Render, *, is_admin: bool) -> web.StreamResponse:
        """Send what changes until the browser closes the page or the gateway stops.

        Raises:
            TooManyViewers: too many pages are open, of this address or in all; those of administrators count apart.
        """
        peer, pages = request.remote or "", self._open[is_admin]
        if pages.total() >= _MOST or pages[peer] >= _MOST_OF_ONE:
            raise TooManyViewers(
                Text(
                    "too many pages are open: load this one again to see what is new",
                    "zu viele Seiten sind offen: für Neues diese Seite noch einmal laden",
                )
            )
        headers = {hdrs.CACHE_CONTROL: "no-store", "X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no"}
        answer = web.StreamResponse(headers={**headers, hdrs.CONTENT_TYPE: "text/event-stream"})
        pages[peer] += 1
        try:
            await answer.prepare(request)
            await self._send_changes(answer, render, lambda: _is_connected(request))
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            pages[peer] -= 1
            pages += Counter()  # removes addresses without an open page
        return answer

    async def _send_changes(self, answer: web.StreamResponse, render: Render, is_connected: Callable[[], bool]) -> None:
        sent: Mapping[str, str] = {}
        oldest = told = time.monotonic()
        await _write(answer, "retry: 2000\n\n")
        while is_connected() and not self._end.is_set():
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
            oldest = await self._next_update()

    async def _next_update(self) -> float:
        """Wait for the next update; return how old (time.monotonic) the page may be that is sent then."""
        # All pages are updated at the same moments, so that they share what is made for one of them.
        pause = _UPDATE_EVERY - time.monotonic() % _UPDATE_EVERY
        waiting = [asyncio.create_task(event.wait()) for event in (self._end, self._news)]
        try:
            await asyncio.wait(waiting, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        now = time.monotonic()
        if not waiting[1].done():
            return now - _UPDATE_EVERY / 2
        await asyncio.sleep(_SETTLE)
        return now


def _is_connected(request: web.Request) -> bool:
    """Return whether the page is open: a closed one makes room at once, not when the next update is sent."""
    return request.transport is not None and not request.transport.is_closing()


def _message(rendered: RenderedPage, changed: dict[str, str]) -> str:
    parts = ",".join(f"{json.dumps(name)}:{text}" for name, text in changed.items())
    return f'{{"title":{json.dumps(rendered.title)},"level":"{rendered.level}","parts":{{{parts}}}}}'


async def _write(answer: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(_SLOW):
        await answer.write(text.encode())
