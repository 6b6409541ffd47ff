"""Signatures for the JSON API: a request is signed once, however often it is sent.

Without a key a request is carried out as it comes. Under an Idempotency-Key the journal is
written ahead, and whoever asks again gets the signature that exists, from memory, from the
running work, or from the TSE. Nothing waits here for a TSE that is away, and nobody is kept
longer than tills wait.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.errors import CommandRejected, DeviceTimeout, GatewayError
from gateway.fleet.registry import Registry
from gateway.i18n.text import Text
from gateway.operations.exclusive import Exclusive, exclusive
from gateway.operations.journal import Journal, JournalRecord
from gateway.operations.receipt import Action, Signed, SigningRequest
from gateway.operations.recovery import EndedOtherwise, OutcomeUnknown
from gateway.operations.settlement import Settlement
from gateway.tasks import begun
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import CloseImport, ImportOpened, OpenImport, TransactionReply

log = logging.getLogger(__name__)

_STARTS_KEPT = 10_000
_LONGEST = 55.0  # seconds from a request to its answer: a till gives up at 60 (LAN-TSE protocol)


class KeyReused(GatewayError):
    """This Idempotency-Key belongs to another request."""

    code = "key_reused"


@dataclass(frozen=True, slots=True)
class SigningResult:
    """A signature; `start_time` in Unix seconds, if known. `replayed`: it existed before the request.

    `reference` and `metadata` are those of the first request that had it signed.
    """

    signed: Signed
    start_time: int | None
    replayed: bool = False
    reference: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Running:
    serial: str
    fingerprint: str
    task: "asyncio.Task[SigningResult]"


class Transactions:
    """The transactions of API clients; `now` gives Unix seconds.

    A lock is waited for `lock_wait` seconds, and an answer comes within `longest`.
    """

    def __init__(
        self,
        registry: Registry,
        journal: Journal,
        metrics: Metrics,
        *,
        lock_wait: float,
        longest: float = _LONGEST,
        now: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._journal = journal
        self._metrics = metrics
        self._lock_wait = lock_wait
        self._longest = longest
        self._now = now
        self._running: dict[str, _Running] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._starts: OrderedDict[tuple[str, int], int] = OrderedDict()
        self.settlement = Settlement(registry, journal, lock_wait=lock_wait)
        for record in journal.records():
            if record.number and record.start_time is not None:
                self._starts[record.serial, record.number] = record.start_time

    async def sign(self, request: SigningRequest, key: str | None = None) -> SigningResult:
        """Have `request` signed, under a key exactly once.

        Raises:
            KeyReused: the key belongs to another request.
            CommandRejected: the TSE refused; the same key may be used again.
            DeviceError: the TSE is away, failed on the way, or takes too long: ask again with the same key.
            OutcomeUnknown, EndedOtherwise: the key was given up.
        """
        if key is None:
            return await self._outcome_of(self._task(self._sign_without_key(request)))
        running = self._running.get(key)
        if running is not None:
            _check_same(running.fingerprint, request)
            return replace(await self._outcome_of(running.task), replayed=True)
        record = self._journal.find(key)
        _refuse_given_up(record)
        if record is not None:
            _check_same(record.fingerprint, request)
            if record.done is not None:
                self._metrics.requests.replayed(record.serial, "idempotency_key")
                return _replayed(record, record.done)
        task = self._task(self._sign_under_key(request, key))
        self._running[key] = _Running(request.serial, request.fingerprint, task)
        task.add_done_callback(lambda _: self._running.pop(key))
        return await self._outcome_of(task)

    def begun_at(self, key: str) -> str:
        """Return the serial of the TSE under which `key` was begun; empty if nothing is known of it, or it is void."""
        running, record = self._running.get(key), self._journal.find(key)
        return running.serial if running is not None else record.serial if record is not None else ""

    def own_of(self, serial: str, number: int) -> tuple[str, Mapping[str, str]]:
        """Return reference and metadata that the client gave for a transaction; later steps add to earlier ones."""
        reference, metadata = "", dict[str, str]()
        for record in self._journal.of_transaction(serial, number):
            reference = record.reference or reference
            metadata |= record.metadata
        return reference, metadata

    def numbers_of(self, serial: str, reference: str) -> frozenset[int]:
        """Return the transactions that got this reference under an Idempotency-Key."""
        return self._journal.numbers_of(serial, reference)

    def start_time(self, serial: str, number: int) -> int | None:
        """Return when a transaction was started through here, in Unix seconds; `None` if that was long ago."""
        return self._starts.get((serial, number))

    async def close(self) -> None:
        """Wait for the end of what was begun."""
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- below: how ---------------------------------------------------------

    async def _outcome_of(self, task: "asyncio.Task[SigningResult]") -> SigningResult:
        """Return the result of `task`, which goes on whoever hangs up."""
        await asyncio.wait({task}, timeout=self._longest)
        if not task.done():
            raise DeviceTimeout(
                Text(
                    "the TSE has not signed within {longest:g} s, and may still do so: ask again with the same "
                    "Idempotency-Key, or, if you use none, what became of it",
                    "die TSE hat binnen {longest:g} s nicht signiert und tut es vielleicht noch: mit demselben "
                    "Idempotency-Key noch einmal fragen, oder, ohne Key, fragen, was daraus wurde",
                ),
                longest=self._longest,
            )
        return task.result()

    async def _sign_without_key(self, request: SigningRequest) -> SigningResult:
        async with exclusive(self._registry.find(request.serial), self._lock_wait) as tse:
            if request.action is not Action.SIGN:
                return self._outcome(request, await _step(tse, request))
            started = await _step(tse, _start_of(request))
            self._remember_start(request.serial, started)
            return self._outcome(request, await _step(tse, _finish_of(request, started.number)))

    async def _sign_under_key(self, request: SigningRequest, key: str) -> SigningResult:
        async with exclusive(self._registry.find(request.serial), self._lock_wait) as tse:
            await self.settlement.settle(tse.device, tse.lease)
            record = self._journal.find(key)
            if record is not None and record.done is not None:
                self._metrics.requests.replayed(record.serial, "idempotency_key")
                return _replayed(record, record.done)
            _refuse_given_up(record)
            with self.settlement.carrying_out(key, tse.lease):
                record = await self._begin(request, key, record, tse)
                return await self._carry_out(request, record, tse)

    async def _begin(
        self, request: SigningRequest, key: str, known: JournalRecord | None, tse: Exclusive
    ) -> JournalRecord:
        """Write ahead what is going to be signed, and from which block on it would stand in the store."""
        if known is not None:
            record = replace(known, sure=False)
        else:
            info = await tse.info()
            texts = request.fingerprint, request.action, request.serial, request.client_id.decode()
            start_time = self.start_time(request.serial, request.number)
            place = info.used_blocks, info.created_signatures
            record = JournalRecord(key, *texts, *place, self._now(), request.number, start_time)
            record = replace(record, reference=request.reference, metadata=request.metadata)
        await self._journal.begin(record)
        return record

    async def _carry_out(self, request: SigningRequest, record: JournalRecord, tse: Exclusive) -> SigningResult:
        if request.action is Action.SIGN and not record.number:
            started = await self._step_or_void(_start_of(request), record, tse)
            self._remember_start(request.serial, started)
            record = replace(record, number=started.number, start_time=started.log_time)
            await self._journal.update(record)
        step = _finish_of(request, record.number) if request.action is Action.SIGN else request
        outcome = self._outcome(request, await self._step_or_void(step, record, tse))
        if record.start_time is not None:
            outcome = replace(outcome, start_time=record.start_time)
        ended = replace(record, number=outcome.signed.number, start_time=outcome.start_time, done=outcome.signed)
        await self._journal.end(ended)
        return outcome

    async def _step_or_void(self, step: SigningRequest, record: JournalRecord, tse: Exclusive) -> Signed:
        try:
            return await _step(tse, step)
        except CommandRejected:  # for sure nothing was signed in this step
            if Action(record.action) is Action.SIGN and record.number:
                await self._journal.update(replace(record, sure=True))
            else:
                await self._journal.void(record)
            raise

    def _outcome(self, request: SigningRequest, signed: Signed) -> SigningResult:
        if request.action is Action.START:
            self._remember_start(request.serial, signed)
        start_time = self.start_time(request.serial, signed.number)
        return SigningResult(signed, start_time, reference=request.reference, metadata=request.metadata)

    def _remember_start(self, serial: str, started: Signed) -> None:
        self._starts[serial, started.number] = started.log_time
        while len(self._starts) > _STARTS_KEPT:
            self._starts.popitem(last=False)

    def _task(self, work: Coroutine[Any, Any, SigningResult]) -> "asyncio.Task[SigningResult]":
        task = begun(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[SigningResult]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # a client that hung up does not fetch it; that is no news


async def _step(tse: Exclusive, step: SigningRequest) -> Signed:
    """Have one step signed; if it breaks off, what is unfinished is aborted with the release of the lock."""
    data = step.process_data
    command = OpenImport(step.action.event, step.client_id, step.number, len(data), step.process_type)
    opened = ImportOpened.decode(await tse.send(command))
    await tse.write(opened.block, data)
    reply = TransactionReply.decode(await tse.send(CloseImport()))
    return Signed(reply.transaction_number, reply.signature_counter, reply.log_time, reply.signature)


def _replayed(record: JournalRecord, signed: Signed) -> SigningResult:
    return SigningResult(signed, record.start_time, True, record.reference, record.metadata)


def _start_of(request: SigningRequest) -> SigningRequest:
    return SigningRequest(Action.START, request.serial, request.client_id)


def _finish_of(request: SigningRequest, number: int) -> SigningRequest:
    return replace(request, action=Action.FINISH, number=number)


def _refuse_given_up(record: JournalRecord | None) -> None:
    if record is not None and record.given_up == EndedOtherwise.code:
        raise EndedOtherwise(
            Text(
                "the transaction was finished with other data, by somebody else",
                "die Transaktion wurde mit anderen Daten beendet, von jemand anderem",
            )
        )
    if record is not None and record.given_up:
        raise OutcomeUnknown(
            Text(
                "whether the TSE signed under this key cannot be found out: look into an export",
                "ob die TSE unter diesem Schlüssel signiert hat, ist nicht herauszufinden: in einem Export nachsehen",
            )
        )


def _check_same(fingerprint: str, request: SigningRequest) -> None:
    if fingerprint != request.fingerprint:
        raise KeyReused(
            Text(
                "this Idempotency-Key was used for another request: take a new one for each receipt",
                "dieser Idempotency-Key wurde für eine andere Anfrage benutzt: für jeden Beleg einen neuen nehmen",
            )
        )
