"""What happens, as server-sent events: signed steps from the stores of the TSEs, all else from the events of the log.

The id of an event says where to go on: `run.number` of the events of the log, and how far each store was told. A client
that sends it as Last-Event-ID gets each signed step at least once and in order, whatever was restarted meanwhile.
"""

import asyncio
import json
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import hdrs, web

from gateway.access.caller import TILLS_AND_AUDITORS
from gateway.errors import BadRequest, GatewayError, UnknownDevice
from gateway.fleet.device import Device
from gateway.i18n.text import Text
from gateway.operations import history
from gateway.operations.signed_steps import StorePlace, steps_since
from gateway.server.api.endpoint import BASE, Call, Endpoint, FileFormat, FileResponse, Section
from gateway.server.api.errors import TooManyStreams
from gateway.server.api.parameters import EventParams
from gateway.server.api.receipts import receipt_response
from gateway.server.api.requests import NoBody
from gateway.server.http.callers import caller_of
from gateway.telemetry.recent_events import KINDS, RecentEvent, RecentEvents
from gateway.tse.logmessage import LogMessage

_STREAM = "text/event-stream"
_LAST_ID = "Last-Event-ID"
_ID = re.compile(r"([0-9a-f]{8})\.(\d{1,15})((?:~[0-9A-F]{64}=\d{1,15}\.\d{1,15}){0,64})", re.ASCII)
_LOOK = 0.25  # seconds between looks for news
_ALIVE = 10.0  # seconds
_SLOW = 15.0  # seconds; a client that takes nothing for so long is disconnected
_MOST = 16  # streams
_STARTS_KEPT = 1000


async def follow_events(call: Call[EventParams, NoBody]) -> web.StreamResponse:
    """Send what happens as it happens, until the client goes or the gateway stops."""
    recent = call.services.recent_events
    if recent.followers >= _MOST:
        raise TooManyStreams(
            Text(
                "{most} clients follow the events already: try again later",
                "{most} Clients folgen schon den Ereignissen: später noch einmal versuchen",
            ),
            most=_MOST,
        )
    stream = _Stream(call, recent, _place_of(call.request.headers.get(_LAST_ID), recent))
    headers = {hdrs.CACHE_CONTROL: "no-store", "X-Accel-Buffering": "no", hdrs.CONTENT_TYPE: _STREAM}
    response = web.StreamResponse(headers=headers)
    recent.followers += 1
    try:
        await response.prepare(call.request)
        await stream.send(response)
    except (ConnectionError, TimeoutError):
        if call.request.transport is not None:
            call.request.transport.abort()
    finally:
        recent.followers -= 1
    return response


@dataclass
class _Place:
    """How far a client was told; without `number` and stores it begins now."""

    number: int
    stores: dict[str, StorePlace] = field(default_factory=dict)
    resumed: bool = False

    def id(self, run: str) -> str:
        stores = "".join(f"~{serial}={at.block}.{at.counter}" for serial, at in sorted(self.stores.items()))
        return f"{run}.{self.number}{stores}"


class _Stream:
    """One client: what it is to be told, and how far it was."""

    def __init__(self, call: Call[EventParams, NoBody], recent: RecentEvents, place: _Place) -> None:
        self._call = call
        self._caller = caller_of(call.request)
        self._registry = call.services.registry
        self._recent = recent
        self._place = place
        self._starts: OrderedDict[tuple[str, int], int] = OrderedDict()

    async def send(self, response: web.StreamResponse) -> None:
        """Send what happens from the place on, for ever."""
        await _write(response, "retry: 2000\n\n")
        if not self._place.resumed:
            for device in self._devices():
                await self._has_grown(device)
                at = StorePlace(device.info.used_blocks, device.info.created_signatures)
                self._place.stores[device.serial] = at
            await _write(response, f"id: {self._place.id(self._recent.run)}\nevent: begin\ndata: {{}}\n\n")
        told = time.monotonic()
        while not self._registry.draining and _is_connected(self._call.request):
            async for kind, data in self._news():
                text = json.dumps(data, ensure_ascii=False)
                await _write(response, f"id: {self._place.id(self._recent.run)}\nevent: {kind}\ndata: {text}\n\n")
                told = time.monotonic()
            if time.monotonic() - told >= _ALIVE:
                await _write(response, ": alive\n\n")
                told = time.monotonic()
            await asyncio.sleep(_LOOK)

    async def _news(self) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        for happened in self._recent.after(self._place.number):
            self._place.number = happened.number
            till = str(happened.fields.get("client") or "")
            if (not happened.serial or self._is_wanted(happened.serial)) and (not till or self._caller.may_read(till)):
                yield KINDS[happened.event], _plain(happened)
        for device in self._devices():
            if await self._has_grown(device):
                async for data in self._signed(device):
                    yield "signed", data

    async def _has_grown(self, device: Device) -> bool:
        """Tell whether something was signed since; the TSE is read only if it had a command since it was read last."""
        if device.failed.is_set():
            return False
        try:
            if device.quiet_for < device.info_age:
                await device.read_info()
        except GatewayError:
            return False
        used = device.info.used_blocks
        return bool(used) and used != self._place.stores.get(device.serial, StorePlace()).block

    async def _signed(self, device: Device) -> AsyncIterator[Mapping[str, Any]]:
        stores, serial = self._place.stores, device.serial
        try:
            async for place, message in steps_since(device, stores.get(serial, StorePlace())):
                shown = message is not None and self._caller.may_read(message.client_id)
                data = await self._receipt(device, message) if message is not None and shown else None
                stores[serial] = place
                if data is not None:
                    yield data
        except GatewayError:  # it failed meanwhile, and is told from there when it is back
            return

    async def _receipt(self, device: Device, message: LogMessage) -> Mapping[str, Any]:
        key = device.serial, message.transaction_number or 0
        if history.step_of(message) == history.START:
            self._starts[key] = message.log_time
            while len(self._starts) > _STARTS_KEPT:
                self._starts.popitem(last=False)
        started = self._starts.get(key) or await history.start_time(device, key[1])
        own = self._call.services.transactions.own_of(*key)
        receipt = history.receipt_of(message, history.owner_of(device), started)
        plain: Mapping[str, Any] = receipt_response(receipt, own=own).model_dump(mode="json")
        return plain

    def _devices(self) -> list[Device]:
        return [device for device in self._registry.devices() if self._is_wanted(device.serial)]

    def _is_wanted(self, serial: str) -> bool:
        wanted = (self._call.params.serial or "").upper()
        return serial.startswith(wanted) and self._caller.may_use(serial)


def _place_of(last_id: str | None, recent: RecentEvents) -> _Place:
    if last_id is None:
        return _Place(recent.last)
    found = _ID.fullmatch(last_id)
    if found is None:
        raise BadRequest(
            Text(
                "{header} is the id of an event of this gateway",
                "{header} ist die ID eines Ereignisses dieses Gateways",
            ),
            header=_LAST_ID,
        )
    stores = {}
    for part in found[3].split("~")[1:]:
        serial, _, place = part.partition("=")
        block, _, counter = place.partition(".")
        stores[serial] = StorePlace(int(block), int(counter))
    # Of another process all events are new.
    return _Place(int(found[2]) if found[1] == recent.run else 0, stores, resumed=True)


def _plain(happened: RecentEvent) -> Mapping[str, Any]:
    return {
        "event": happened.event.value,
        "tse_serial": happened.serial or None,
        "time": datetime.fromtimestamp(happened.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "text": happened.text,
        **happened.fields,
    }


def _is_connected(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(_SLOW):
        await response.write(text.encode())


_LAST_EVENT_ID = {
    "name": _LAST_ID,
    "in": "header",
    "description": "`id` of the last event that was received: the stream goes on behind it.",
    "schema": {"type": "string", "pattern": f"^{_ID.pattern}$"},
}
_EXAMPLE = (
    "id: 5c1de0a8.17~E15E2EAD89FC9E845785B2A03B531B45E337A064DF6A317554E8B618BF906BCF=31.8\n"
    'event: signed\ndata: {"operation": "finish", "transaction_number": 3, ...}\n\n'
)
SECTION = Section(
    "Events",
    "What happens, as it happens.",
    (
        Endpoint(
            "GET",
            f"{BASE}/events",
            TILLS_AND_AUDITORS,
            follow_events,
            "Follow what happens",
            "Server-sent events. `signed`: a step of a transaction, whoever had it signed, as SignedReceipt, in the "
            "order of the store. `opened`, `failed`, `outage`, `pool`, `lock`, `archive`: events of the log, unless "
            "its level leaves them out. `begin`: the stream begins, now. Send the id of the last event as "
            "`Last-Event-ID`, as browsers do, to go on there: each signed step is told at least once, also over a "
            "restart; of the others the last 1,000 of this process are kept. A token for some client ids "
            "is told what these have signed.",
            (TooManyStreams, UnknownDevice),
            FileResponse("The events, until the client or the gateway ends.", (FileFormat(_STREAM, _EXAMPLE),)),
            headers=(_LAST_EVENT_ID,),
        ),
    ),
)
