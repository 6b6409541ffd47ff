"""Tells each problem once, and once more when it is gone; sends what waits, and tries again what failed."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from gateway.errors import GatewayError
from gateway.i18n.text import Text
from gateway.notifications.channels import Channel, NotSent
from gateway.notifications.kept_messages import KeptMessages
from gateway.notifications.message import Message, Writer
from gateway.notifications.problem import OpenProblem
from gateway.tasks import Backoff
from gateway.telemetry.events import Event, event
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_OFF = Text(
    "no notifications are set up: set GATEWAY_NOTIFY_MAIL_TO or GATEWAY_NOTIFY_WEBHOOK_URL",
    "Benachrichtigungen sind nicht eingerichtet: GATEWAY_NOTIFY_MAIL_TO oder GATEWAY_NOTIFY_WEBHOOK_URL setzen",
)
_NO_ANSWER = Text("no answer within {seconds:g} s", "keine Antwort binnen {seconds:g} s")
GONE_FOR = 300.0  # seconds that a problem must be gone; one that comes and goes is one problem
_GIVEN_UP_AFTER = 3 * 86_400.0  # seconds
_PATIENCE = 60.0  # seconds for one try
_FIRST_WAIT, _LONGEST_WAIT = 30.0, 900.0  # seconds between tries


class NotificationsOff(GatewayError):
    """No way to send notifications is set."""

    code = "notifications_off"

    def __init__(self) -> None:
        super().__init__(_OFF)


class Trial(NamedTuple):
    """Whether a channel has sent the test message; `error` says why not."""

    channel: str
    error: Text | None


class Notifications:
    """The notifications of one gateway. `now` in Unix seconds, `steady` in seconds of a clock that nobody sets."""

    def __init__(
        self,
        channels: Sequence[Channel],
        kept: KeptMessages,
        writer: Writer,
        metrics: Metrics,
        *,
        now: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        backoff: Callable[[], Backoff] = lambda: Backoff(_FIRST_WAIT, _LONGEST_WAIT),
    ) -> None:
        self.channels = channels
        self._kept = kept
        self._writer = writer
        self._metrics = metrics
        self._now, self._steady = now, steady
        self._backoff = backoff
        self._seen: dict[str, float] = {}  # by key, since when (steady)
        self._gone: dict[str, float] = {}
        self._trouble: dict[str, str] = {}  # by channel, why its last try failed
        self._added = {channel.name: asyncio.Event() for channel in channels}
        for channel in channels:
            metrics.notifications.adopt(channel.name)

    async def load(self) -> None:
        """Read what was told and what waits; before anything else but a test."""
        await self._kept.load()

    async def run(self) -> None:
        """Send what waits, for ever; a channel that hangs delays no other."""
        await asyncio.gather(*map(self._send_all, self.channels))

    async def observe(self, problems: Collection[OpenProblem], unknown: Callable[[str], bool]) -> None:
        """Take note of the problems that there are now; those told whose key is `unknown` cannot be judged now."""
        present = {problem.key: problem for problem in problems}
        told, now = self._kept.told(), self._steady()
        self._seen = {key: self._seen.get(key, now) for key in present}
        for key, problem in present.items():
            before = told.get(key)
            lasts = now - self._seen[key]
            if lasts >= problem.patience and (before is None or (problem.serious and not before.serious)):
                began = before.began if before else self._now() - lasts
                await self._add(self._writer.problem(*self._new(), problem, began, before.first if before else ""))
        absent = {key for key in told if key not in present and not unknown(key)}
        self._gone = {key: self._gone.get(key, now) for key in absent}
        for key, since in self._gone.items():
            if now - since >= GONE_FOR:
                await self._add(self._writer.resolved(*self._new(), told[key]))

    async def test(self) -> list[Trial]:
        """Send a test message by each channel, at once and once.

        Raises:
            NotificationsOff: there is no channel.
        """
        if not self.channels:
            raise NotificationsOff
        message = self._writer.test(*self._new())
        return list(await asyncio.gather(*(self._test(channel, message) for channel in self.channels)))

    async def _test(self, channel: Channel, message: Message) -> Trial:
        try:
            await _send(channel, message)
        except NotSent as error:
            return Trial(channel.name, error.text)
        return Trial(channel.name, None)

    def _new(self) -> tuple[str, float]:
        return uuid.uuid4().hex, self._now()

    async def _add(self, message: Message) -> None:
        await self._kept.add(message)
        for added in self._added.values():
            added.set()

    async def _send_all(self, channel: Channel) -> None:
        added, backoff = self._added[channel.name], self._backoff()
        while not _is_cancelled():
            added.clear()
            await self._give_up_old(channel)
            waiting = self._kept.waiting(channel.name)
            if not waiting:
                await added.wait()
            elif await self._sent(channel, waiting[0]):
                backoff.reset()
            else:
                await asyncio.sleep(backoff.next())

    async def _sent(self, channel: Channel, message: Message) -> bool:
        try:
            await _send(channel, message)
        except NotSent as error:
            self._metrics.notifications.counted(channel.name, "failed")
            known, self._trouble[channel.name] = self._trouble.get(channel.name), str(error)
            failed = event(Event.NOTIFICATION_FAILED, message.serial, channel=channel.name)
            level = logging.DEBUG if known == str(error) else logging.WARNING  # the same trouble is told once
            log.log(level, "a notification waits to be sent by %s: %s", channel.name, error, extra=failed)
            return False
        self._trouble.pop(channel.name, None)
        await self._kept.done(message, channel.name)
        self._metrics.notifications.counted(channel.name, "sent")
        sent = event(Event.NOTIFIED, message.serial, channel=channel.name, code=message.code, kind=message.kind)
        log.info("notified by %s: %s", channel.name, message.subject, extra=sent)
        return True

    async def _give_up_old(self, channel: Channel) -> None:
        surplus, now = self._kept.surplus(channel.name), self._now()
        old = [message for message in self._kept.waiting(channel.name) if now - message.at > _GIVEN_UP_AFTER]
        for message in {message.id: message for message in (*surplus, *old)}.values():
            await self._kept.done(message, channel.name)
            self._metrics.notifications.counted(channel.name, "given_up")
            given_up = event(Event.NOTIFICATION_GIVEN_UP, message.serial, channel=channel.name)
            log.error("a notification was given up by %s: %s", channel.name, message.subject, extra=given_up)


async def _send(channel: Channel, message: Message) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            await channel.send(message)
    except TimeoutError:
        raise NotSent(_NO_ANSWER, seconds=_PATIENCE) from None


def _is_cancelled() -> bool:
    """Return whether the task should end; `asyncio.wait_for` of Python 3.11 may lose that as its result arrives."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
