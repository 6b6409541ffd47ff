"""How long a TSE will last: signatures and store are taken to grow on as since the first stored message."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.operations.store import Store
from gateway.tse.info import TseInfo
from gateway.tse.log_names import LogName

_DAY = 86_400.0
_FEWEST_DAYS = 1.0  # what came in a shorter time tells nothing of a year
_FAR = 36_525.0  # days; nobody looks further
_LOOKED_AT = 32  # entries: the leading ones, then what was logged before the TSE had a time, then the first with one
_AT_SETUP = 32  # signature counters


@dataclass(frozen=True, slots=True)
class Origin:
    """The first stored message: its time (Unix seconds), its signature counter, its block."""

    moment: int
    counter: int
    block: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """Growth per day since `since` (Unix seconds), and the days until signatures or store are used up.

    These are `None` if that takes more than a hundred years.
    """

    since: int
    signatures_per_day: float
    blocks_per_day: float
    signatures_days_left: float | None
    store_days_left: float | None


class Forecasts:
    """The forecasts of all TSEs. The first message is looked for once, when nobody needs the TSE."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._origins: dict[str, tuple[int, Origin]] = {}  # by serial, with the length of the store seen last

    async def of(self, device: Device) -> Forecast | None:
        """Return the forecast; `None` while the store is closed, the TSE busy, or its store less than a day old."""
        info = device.info
        if not info.used_blocks:
            return None
        origin = await self._origin(device, info)
        return None if origin is None else _forecast(info, origin, self._now())

    async def in_service_since(self, device: Device) -> int | None:
        """Return when the TSE first signed, in Unix seconds; `None` if that message is not stored any more."""
        origin = await self._origin(device, device.info) if device.info.used_blocks else None
        return origin.moment if origin is not None and origin.counter <= _AT_SETUP else None

    async def _origin(self, device: Device, info: TseInfo) -> Origin | None:
        length, known = self._origins.get(device.serial, (0, None))
        if known is None or info.used_blocks < length:  # shorter: stored data were deleted
            if device.failed.is_set() or not device.idle:
                return None
            try:
                known = await _first_message(Store(device, info.used_blocks))
            except GatewayError:  # whoever signs next will tell; a forecast is worth no error
                return None
            if known is None:
                return None
        self._origins[device.serial] = (info.used_blocks, known)
        return known


async def _first_message(store: Store) -> Origin | None:
    looked_at = 0
    async for entry in store.entries():
        name, looked_at = LogName.parse(entry.name), looked_at + 1
        if name is not None and name.log_time > 0:
            return Origin(name.log_time, name.counter, entry.block)
        if looked_at == _LOOKED_AT:
            break
    return None


def _forecast(info: TseInfo, origin: Origin, now: float) -> Forecast | None:
    days = (now - origin.moment) / _DAY
    if days < _FEWEST_DAYS:
        return None
    signatures = max(0, info.created_signatures - origin.counter) / days
    blocks = max(0, info.used_blocks - origin.block) / days
    return Forecast(
        since=origin.moment,
        signatures_per_day=round(signatures, 3),
        blocks_per_day=round(blocks, 3),
        signatures_days_left=_days(info.remaining_signatures, signatures),
        store_days_left=_days(info.capacity_blocks - info.used_blocks, blocks),
    )


def _days(left: int, per_day: float) -> float | None:
    days = max(0, left) / per_day if per_day else _FAR
    return round(days, 1) if days < _FAR else None
