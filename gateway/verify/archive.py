"""Checks an export: its structure and certificates, then its messages on all cores, in bounded memory.

A scan reads the headers only and cuts the archive into pieces. Each piece is checked by a
process that reads it itself; results are taken in archive order, so reports are the same
on any number of cores.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path

from gateway.errors import GatewayError
from gateway.i18n.text import Text
from gateway.verify.findings import Code, FileKind, FileReport, MessageCounts
from gateway.verify.history import check_sequence, check_transactions
from gateway.verify.keys import Keyring, keyring
from gateway.verify.messages import SEQUENCE, TRANSACTION, CheckedMessages, check_range
from gateway.verify.revocation import Revocation, revocations
from gateway.verify.scan import Scan, scan
from gateway.verify.sorting import Sorter
from gateway.verify.trust import Certificates, check_chains

OnProgress = Callable[[int, int], None]  # messages checked, messages in all

POOL_FROM = 1_500  # messages; for fewer, starting processes takes longer than the work
BACKGROUND_FROM = 300  # messages; fewer are checked in the caller's process
_LOWEST_PRIORITY = 19


def verify_archive(
    path: Path,
    certificates: Certificates = (),
    anchors: Certificates | None = None,
    revocation: Revocation | None = None,
    *,
    complete: bool = False,
    processes: int = 0,
    background: bool = False,
    progress: OnProgress | None = None,
) -> FileReport:
    """Check the export in `path` and return the report.

    `certificates` are known besides those in it; `anchors` are trusted (None: chains are not checked against any).
    `revocation` None: the caller does not ask whether certificates were revoked.
    `complete`: a missing message is an error. `processes` 0: one per core. `background`: one process of low priority.

    Raises:
        OSError: the file cannot be read.
        GatewayError: a process that checked was killed.
    """
    scanned = scan(path)
    known = (*scanned.certificates, *certificates)
    counts, findings = MessageCounts(), scanned.findings
    with Sorter(SEQUENCE.size) as sequence, Sorter(TRANSACTION.size) as transactions, ExitStack() as stack:
        every = (*known, *(anchors or ()))
        ring = keyring(every, revocations(every, revocation))
        pieces = stack.enter_context(closing(_check_pieces(path, scanned, ring, processes, background)))
        for checked in pieces:
            counts.merge(checked.counts)
            findings.merge(checked.findings)
            sequence.add(checked.sequence)
            transactions.add(checked.transactions)
            if progress is not None:
                progress(counts.messages, scanned.messages)
        spans = check_sequence(sequence, findings, complete=complete)
        check_transactions(transactions, spans, findings)
    check_chains(spans, known, anchors, findings, revocation)
    if not counts.messages:
        findings.add(Code.FILE_EMPTY, path.name)
    return FileReport(str(path), FileKind.ARCHIVE, counts, findings, tuple(spans))


def _check_pieces(
    path: Path, scanned: Scan, ring: Keyring, processes: int, background: bool
) -> Generator[CheckedMessages, None, None]:
    """Yield the results in the order of the archive."""
    processes = 1 if background else min(processes or len(os.sched_getaffinity(0)), len(scanned.pieces))
    if scanned.messages < BACKGROUND_FROM if background else processes <= 1 or scanned.messages < POOL_FROM:
        for start, end in scanned.pieces:
            yield check_range(path, start, end, ring)
        return
    pieces = iter(scanned.pieces)
    with ExitStack() as stack:
        # spawn: the caller may have threads, which a fork would break
        context = multiprocessing.get_context("spawn")
        pool = stack.enter_context(ProcessPoolExecutor(processes, context, begin_work, (background,)))
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)

        def submit(count: int) -> list[Future[CheckedMessages]]:
            with _ctrl_c_waits():
                return [pool.submit(check_range, path, *piece, ring) for piece in islice(pieces, count)]

        waiting = deque(submit(3 * processes))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(submit(1))
        except BrokenProcessPool:
            raise GatewayError(
                Text(
                    "a process that checked signatures was killed; is there too little memory?",
                    "ein Prozess, der Signaturen prüfte, wurde beendet; ist der Arbeitsspeicher zu klein?",
                )
            ) from None


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Block SIGINT for processes started meanwhile: Ctrl-C ends only the first process, which ends the others."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_work(background: bool) -> None:
    """Set the priority of a process, and end it when the first one is killed, which can then not end it."""
    if background:
        os.nice(_LOWEST_PRIORITY)
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
