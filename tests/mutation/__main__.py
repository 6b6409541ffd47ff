"""Changes of constants, properties and context managers, which mutmut does not make: each must let a test fail."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LOCK, COMMANDS, PINS = "tests/fleet/lock", "tests/fleet/commands", "tests/fleet/pins/test_typed_pins.py"
KEYS, ORDER, NOTES = (
    "tests/operations/test_transactions.py",
    "tests/storage/test_order.py",
    "tests/operations/test_lan_journal.py",
)
SETTLED, ARCHIVE = "tests/operations/test_settlement.py", "tests/archive/test_trouble.py"


class Change(NamedTuple):
    """In `file`, a module below `gateway`, `old` becomes `new`; `tests` must notice."""

    file: str
    old: str
    new: str
    tests: str


CHANGES = (
    Change("storage/append_log", "os.fdatasync(handle)", "pass", ORDER),
    Change("operations/journal", "self._append(record, durable=True)", "self._append(record, durable=False)", ORDER),
    Change("operations/journal", 'fingerprint=""), durable=True', 'fingerprint=""), durable=False', ORDER),
    Change("operations/journal", " and len(dropped) >= surplus", "", KEYS),
    Change("operations/journal", "len(dropped) >= surplus", "len(dropped) > surplus", KEYS),
    Change("operations/journal", "KEPT_KEYS = 50_000", "KEPT_KEYS = 500_000", KEYS),
    Change("operations/journal", "3 * 24 * 3600.0", "1 * 24 * 3600.0", KEYS),
    Change("operations/journal", " if garbage > self._most_garbage else None", " if False else None", KEYS),
    Change("operations/journal", "self.done is None and not self.sure and", "self.done is None and", KEYS),
    Change("operations/journal", "not self.sure and not self.given_up", "not self.sure", KEYS),
    Change("operations/recovery", "_MOST_BETWEEN = 2", "_MOST_BETWEEN = 1", KEYS),
    Change("operations/recovery", "_MOST_BETWEEN = 2", "_MOST_BETWEEN = 3", KEYS),
    Change("operations/recovery", " if near else None", "", KEYS),
    Change("operations/recovery", "near = 0 < message", "near = message", KEYS),
    Change("operations/recovery", " or message.client_id != record.client_id", "", KEYS),
    Change("operations/settlement", "_PATIENCE = 60.0", "_PATIENCE = 61.0", SETTLED),
    Change("operations/settlement", "            self._unclear.set()\n            raise", "            raise", SETTLED),
    Change("operations/lan_journal", "_KEPT_SECONDS = 600.0", "_KEPT_SECONDS = 6000.0", NOTES),
    Change("operations/lan_journal", "_KEPT_SECONDS = 600.0", "_KEPT_SECONDS = 60.0", NOTES),
    Change("operations/lan_journal", "_MOST_QUESTIONS = 5", "_MOST_QUESTIONS = 6", NOTES),
    Change("operations/transactions", "_STARTS_KEPT = 10_000", "_STARTS_KEPT = 1", KEYS),
    Change(
        "operations/confirmations",
        "VALID_SECONDS = 60.0",
        "VALID_SECONDS = 6000.0",
        "tests/operations/test_confirmations.py",
    ),
    Change(
        "tse/signatures", "len(signature) != 2 * width", "len(signature) < 2 * width", "tests/tse/test_signatures.py"
    ),
    Change(
        "tse/signatures", "len(signature) != 2 * width", "len(signature) > 2 * width", "tests/tse/test_signatures.py"
    ),
    Change("fleet/lock/queue", "_BREATH = 0.2", "_BREATH = 0.0", LOCK),
    Change("fleet/lock/queue", "_BREATH = 0.2", "_BREATH = 2.0", LOCK),
    Change("fleet/lock/queue", "_READS = 2", "_READS = 1", LOCK),
    Change("fleet/lock/queue", "_READS = 2", "_READS = 3", LOCK),
    Change("fleet/lock/queue", "UNUSED_GRACE = 0.5", "UNUSED_GRACE = 5.0", LOCK),
    Change("fleet/lock/queue", "_ENDED_KEPT = 4096", "_ENDED_KEPT = 1", LOCK),
    Change("fleet/lock/queue", "any(not it.late and it.holder.alive", "any(it.holder.alive", LOCK),
    Change("fleet/lock/queue", "any(not it.late and it.holder.alive", "any(not it.late", LOCK),
    Change("fleet/lock/queue", "self.lease is not None or bool(self._aside)", "self.lease is not None", LOCK),
    Change("fleet/lock/lock", "_COURTESY = 1.0", "_COURTESY = 30.0", LOCK),
    Change("fleet/lock/lock", "_LOOK_AGAIN = 0.1", "_LOOK_AGAIN = 5.0", LOCK),
    Change("fleet/lock/lock", "not (self._queue.held or ", "not (", LOCK),
    Change("fleet/lock/lock", "self._queue.waiting or self._clean_up)", "self._clean_up)", LOCK),
    Change("fleet/lock/lock", "        self._refuse_if_gone()\n        lease =", "        lease =", LOCK),
    Change(
        "fleet/lock/lock",
        "        finally:\n            self.release(lease.session)",
        "        finally:\n            pass",
        LOCK,
    ),
    Change("fleet/commands/connection", "return self._clock() >= self._late_at", "return False", COMMANDS),
    Change("fleet/commands/known_transactions", "_SAVED_EVERY = 60.0", "_SAVED_EVERY = 61.0", COMMANDS),
    Change("fleet/commands/known_transactions", "_UNSAVED_MOST = 180", "_UNSAVED_MOST = 18000", COMMANDS),
    Change("fleet/commands/lost_signatures", "_MOST_QUESTIONS = 5", "_MOST_QUESTIONS = 6", COMMANDS),
    Change(
        "fleet/commands/lost_signatures",
        " or self._counter is None:\n            return None",
        ":\n            return None",
        COMMANDS,
    ),
    Change("fleet/pins/login_guard", "_FEWEST_TRIES = 2", "_FEWEST_TRIES = 1", "tests/fleet/pins/test_retry_guard.py"),
    Change("fleet/pins/retry_guard", "_MOST_TRIES = 3", "_MOST_TRIES = 4", PINS),
    Change("archive/run", "_NIGHTS = 30", "_NIGHTS = 3000", ARCHIVE),
    Change("archive/run", "_NIGHTS = 30", "_NIGHTS = 1", ARCHIVE),
)


def is_noticed(change: Change, tree: Path) -> bool:
    """Make `change` in the copy `tree`, run its tests there, and undo it."""
    file = tree / "gateway" / f"{change.file}.py"
    text = file.read_text()
    if text.count(change.old) != 1:
        sys.exit(f"{change.file} holds {change.old!r} {text.count(change.old)} times: bring the list up to date")
    file.write_text(text.replace(change.old, change.new))
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *change.tests.split()]
    status = subprocess.run(command, cwd=tree, capture_output=True, check=False).returncode
    file.write_text(text)
    return status == 1


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        for name in ("gateway", "tests", "docs"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        missed = [change for change in CHANGES if not is_noticed(change, tree)]
    for change in missed:
        print(f"nobody noticed {change.old!r} -> {change.new!r} in {change.file}")
    print(f"{len(CHANGES)} changes, {len(CHANGES) - len(missed)} noticed")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
