"""Signatures begun over the LAN protocol, noted for the next process.

A client whose connection dies with the process sends its request again, to the next one, which does not know the
session. So each announced step is noted before it is signed: session, client, step, and the signature counter before.
When its signing is asked for again, the TSE tells the client's last transaction, and with it whether it signed. It
is asked before anything else is signed, or else a till with the same client id could make that its last one.

A note outlasts the process, not a power cut: it is not synced, since that would cost each receipt 10 ms on an SD card,
and no client waits for a gateway that boots.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gateway.driver.usb.thread import BlockingThread
from gateway.errors import CommandRejected, DeviceError, DeviceGone, GatewayError, InvalidSession, ProtocolError
from gateway.fleet.commands.lost_signatures import AnnouncedStep
from gateway.fleet.device import Device
from gateway.fleet.lock.queue import Lease
from gateway.fleet.registry import Registry
from gateway.i18n.text import Text
from gateway.operations.exclusive import exclusive
from gateway.storage.append_log import AppendLog
from gateway.telemetry.events import Event, event
from gateway.tse.commands import LastTransaction, OpenImport, TransactionReply
from gateway.tse.results import Result

log = logging.getLogger(__name__)

LAN_JOURNAL = "lan.journal"  # its name in the state directory
_KEPT_SECONDS = 600.0  # a client gives up after 60 (LAN-TSE protocol)
_MOST_LINES = 20_000
_MOST_QUESTIONS = 5  # for a TSE that fails whenever it is asked: then tills go on
_LOOK_AGAIN = 0.1  # seconds between looks whether the TSE is ready to tell
_LOCK_WAIT = 45.0
_LATER = {Result.NEEDS_SELF_TEST, Result.NEEDS_PASSED_SELF_TEST, Result.NEEDS_ACTIVE_CTSS}


@dataclass(frozen=True, slots=True)
class LanStep:
    """A step that was announced under `session`; `at` in Unix seconds."""

    serial: str
    session: int
    announced: AnnouncedStep
    at: float


class LanJournal:
    """The last announced step of each TSE, in the file `path`; none without one. Made before anybody signs."""

    def __init__(self, registry: Registry, path: Path | None = None, *, now: Callable[[], float] = time.time) -> None:
        self._registry = registry
        self._log = None if path is None else AppendLog(path)
        self._thread = None if path is None else BlockingThread("lan-journal")  # half of what a pool's costs
        self._now = now
        self._last: dict[str, LanStep] = {}
        self._lines = 0
        self._trouble = ""
        self._load()
        self._unsettled = dict(self._last)  # by serial; the lock had one holder, so only its last step may be unknown
        self._earlier: dict[tuple[str, int], bytes | None] = {
            (step.serial, step.session): None for step in self._last.values()
        }
        self._settled = {serial: asyncio.Event() for serial in self._unsettled}
        self._questions: defaultdict[str, int] = defaultdict(int)
        self._asking = asyncio.Lock()
        registry.before_signing["lan"] = self.settle

    # ---- for this process ---------------------------------------------------

    async def note(self, device: Device, lease: Lease) -> None:
        """Note what is announced under `lease`; to be done before the client hears that it is announced.

        Else a client that then asks for the signature, of the next process, could get that of the step before.
        """
        announced = device.announced
        if self._log is None or self._thread is None or announced is None:
            return
        step = LanStep(device.serial, lease.session, announced, self._now())
        self._last[device.serial] = step
        await self._write(self._thread, self._log, step)

    def close(self) -> None:
        """Note nothing more."""
        if self._thread is not None:
            self._thread.stop()

    # ---- of the process before ----------------------------------------------

    def knows(self, serial: str, session: int) -> bool:
        """Return whether `session` of an earlier process has announced a step."""
        return (serial, session) in self._earlier

    async def answer(self, serial: str, session: int, wait: float) -> bytes:
        """Return the reply to the signature that `session` has begun in an earlier process.

        Raises:
            InvalidSession: the TSE has not signed.
            DeviceGone: it cannot tell, although `wait` seconds were waited.
        """
        asking = asyncio.create_task(self._settle_when_possible(serial))
        try:
            async with asyncio.timeout(wait):
                await self._settled[serial].wait()
        except TimeoutError:
            raise DeviceGone(
                Text(
                    "the TSE cannot tell yet whether it signed: ask again",
                    "die TSE kann noch nicht sagen, ob sie signiert hat: noch einmal fragen",
                )
            ) from None
        finally:
            asking.cancel()
        reply = self._earlier[serial, session]
        if reply is None:
            raise InvalidSession(
                Text(
                    "the gateway was started anew, and the TSE tells of no signature: lock the TSE again",
                    "das Gateway wurde neu gestartet, und die TSE weiß von keiner Signatur: die TSE neu sperren",
                )
            )
        return reply

    async def settle(self, device: Device, _lease: Lease) -> None:
        """Ask the TSE for what an earlier process has left; as of `Device.before_signing`."""
        if device.serial not in self._unsettled:
            return
        async with self._asking:
            step = self._unsettled.get(device.serial)
            if step is not None:
                reply = await self._ask(device, step)
                self._earlier[step.serial, step.session] = reply
                del self._unsettled[step.serial]
                self._settled[step.serial].set()

    # ---- below: how ---------------------------------------------------------

    async def _settle_when_possible(self, serial: str) -> None:
        while serial in self._unsettled:
            try:
                async with exclusive(self._registry.find(serial), _LOCK_WAIT) as tse:
                    await self.settle(tse.device, tse.lease)
            except GatewayError as error:
                log.debug("TSE %s cannot tell yet whether it signed: %s", serial, error)
                await asyncio.sleep(_LOOK_AGAIN)

    async def _ask(self, device: Device, step: LanStep) -> bytes | None:
        try:
            reply = await device.command(LastTransaction(step.announced.step.client_id).encode())
            signed = step.announced.is_answered_by(TransactionReply.decode(reply))
        except CommandRejected as refused:
            if refused.result in _LATER:
                raise
            return None  # it has signed nothing for this client
        except (DeviceError, ProtocolError) as error:
            self._questions[step.serial] += 1
            if self._questions[step.serial] < _MOST_QUESTIONS:
                raise
            log.warning("TSE %s does not tell whether it signed before the restart: %s", step.serial, error)
            return None
        return reply if signed else None

    async def _write(self, thread: BlockingThread, journal: AppendLog, step: LanStep) -> None:
        try:
            await thread.run(partial(self._append, journal, step))
        except OSError as error:
            self._tell(f"{error.filename or 'the disk'}: {error.strerror}")
        else:
            self._trouble = ""

    def _append(self, journal: AppendLog, step: LanStep) -> None:
        self._lines += 1
        if self._lines > _MOST_LINES:
            journal.rewrite(map(_plain, list(self._last.values())))
            self._lines = len(self._last)
        else:
            journal.append(_plain(step), durable=False)

    def _load(self) -> None:
        if self._log is None:
            return
        since = self._now() - _KEPT_SECONDS
        try:
            self._last = {step.serial: step for step in self._log.read(_step) if step.at >= since}
            self._log.rewrite(map(_plain, self._last.values()))
        except OSError as error:
            self._tell(f"{self._log.path}: {error.strerror}")

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            text = "signatures over LAN are not noted, so a restart of the gateway may cost a till its answer: %s"
            log.warning(text, trouble, extra=event(Event.DISK_TROUBLE))
        self._trouble = trouble


def _plain(step: LanStep) -> dict[str, Any]:
    announced = step.announced.step
    return {
        "serial": step.serial,
        "session": step.session,
        "client": announced.client_id.decode("latin-1"),
        "event": announced.event,
        "number": announced.transaction_number,
        "counter_before": step.announced.counter_before,
        "number_before": step.announced.number_before,
        "at": step.at,
    }


def _step(plain: dict[str, Any]) -> LanStep:
    client = str(plain["client"]).encode("latin-1")
    announced = OpenImport(int(plain["event"]), client, int(plain["number"]), 0, b"")
    before = int(plain["counter_before"]), int(plain["number_before"])
    return LanStep(str(plain["serial"]), int(plain["session"]), AnnouncedStep(announced, *before), float(plain["at"]))
