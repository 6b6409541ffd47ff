"""Faults on demand: ways in which a TSE fails in the field, at a moment that a test or an operator chooses.

They stand in a small file in the TSE's directory, so that a command line can hand one
to a gateway that is running. A fault lasts until it is cleared, or strikes a number of
times; then it stays listed with 0 times left.
"""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.i18n.text import Text
from gateway.storage import strict_json
from gateway.storage.atomic import replace_file
from gateway.storage.file_lock import open_locked

log = logging.getLogger(__name__)

FAULTS = {
    "unplugged": Text(
        "every access fails as if the TSE had been pulled; clearing it is a power cycle",
        "jeder Zugriff schlägt fehl, als wäre die TSE abgezogen; beseitigt wirkt es wie Strom aus und an",
    ),
    "io_error": Text(
        "every access fails with an input/output error", "jeder Zugriff schlägt mit einem Ein-/Ausgabefehler fehl"
    ),
    "hung": Text(
        "every access blocks until the fault is cleared", "jeder Zugriff hängt, bis die Störung beseitigt wird"
    ),
    "busy_forever": Text(
        "commands are carried out, but the window stays busy until cleared or power-cycled",
        "Befehle werden ausgeführt, aber das Fenster bleibt beschäftigt bis zum Beseitigen oder Strom aus",
    ),
    "lost_response": Text(
        "commands are carried out, but the window keeps showing the response before",
        "Befehle werden ausgeführt, aber das Fenster zeigt weiter die Antwort davor",
    ),
    "counter_jump": Text("the response counter grows by two", "der Antwortzähler wächst um zwei"),
    "store_full": Text(
        "transactions are refused: the store is full", "Transaktionen werden abgelehnt: der Speicher ist voll"
    ),
    "expired_certificate": Text(
        "transactions are refused: the certificate has expired",
        "Transaktionen werden abgelehnt: das Zertifikat ist abgelaufen",
    ),
    "failed_self_test": Text(
        "the self test fails: signature processor", "der Selbsttest schlägt fehl: Signaturprozessor"
    ),
    "empty_self_test": Text(
        "the self test is answered with nothing, as generation 2 never should",
        "auf den Selbsttest kommt nichts zurück, was Generation 2 nie tun sollte",
    ),
    "blocked_pin": Text("logins are refused: PIN blocked", "Anmeldungen werden abgelehnt: PIN gesperrt"),
    "fetch": Text(
        "responses must be fetched with command 83 before they are shown",
        "Antworten müssen mit Befehl 83 geholt werden, bevor sie zu sehen sind",
    ),
}

_FILE = "faults.json"
_LOCK = "faults.lock"
_LOOK_AGAIN = 0.05  # seconds after which a hung access looks whether another process has cleared the fault

Counts = dict[str, int | None]  # strikes left; None lasts


def set_fault(directory: Path, name: str, times: int | None = None) -> None:
    """Let `name` strike from now on, or only the next `times` times, in the TSE of `directory`.

    Raises:
        ConfigurationError: no such fault or no positive number.
    """
    _known(name)
    if times is not None and times < 1:
        raise ConfigurationError(
            Text(
                "a fault strikes at least once, not {times} times",
                "eine Störung tritt mindestens einmal ein, nicht {times}-mal",
            ),
            times=times,
        )
    _edit(directory, lambda counts: {**counts, name: times})


def clear_fault(directory: Path, name: str | None = None) -> None:
    """End one fault, or all of them."""
    if name is not None:
        _known(name)
    _edit(directory, lambda counts: {} if name is None else {key: left for key, left in counts.items() if key != name})


def listed_faults(directory: Path) -> Counts:
    """Return the faults that are set, with the strikes left (0: spent, `None`: lasting)."""
    return _read(directory)


class Faults:
    """The faults of one open TSE; cheap to ask, one stat of a file that mostly is not there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: tuple[int, int, int] | None = None
        self._counts: Counts = {}
        self._lock = threading.Lock()
        self._released = threading.Condition()
        self._closed = False

    def set(self, name: str, times: int | None = None) -> None:
        """Do as `set_fault`."""
        set_fault(self._directory, name, times)
        self._forget()

    def clear(self, name: str | None = None) -> None:
        """Do as `clear_fault`, and release what hangs."""
        clear_fault(self._directory, name)
        self._forget()
        with self._released:
            self._released.notify_all()

    @property
    def quiet(self) -> bool:
        """Whether no fault is set."""
        return not self._current()

    def active(self, name: str) -> bool:
        """Tell whether the fault would strike now."""
        return self._current().get(name, 0) != 0

    def listed(self, name: str) -> bool:
        """Tell whether the fault is set, even if it has struck as often as it should."""
        return name in self._current()

    def strike(self, name: str) -> bool:
        """Tell whether the fault strikes now, and count it."""
        if not self.active(name):
            return False
        if self._current().get(name) is not None:
            _edit(self._directory, lambda counts: _one_less(counts, name))
            self._forget()
        return True

    def hang(self) -> None:
        """If the fault `hung` strikes, block until it is cleared or the TSE closed."""
        if self.strike("hung"):
            with self._released:
                while not self._closed and self.listed("hung"):
                    self._released.wait(_LOOK_AGAIN)

    def close(self) -> None:
        """Release what hangs, for good."""
        with self._released:
            self._closed = True
            self._released.notify_all()

    def _forget(self) -> None:
        with self._lock:
            self._seen = None

    def _current(self) -> Counts:
        with self._lock:
            try:
                status = (self._directory / _FILE).stat()
                stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            except FileNotFoundError:
                stamp = (0, 0, 0)
            if stamp != self._seen:
                counts = _read(self._directory)
                if counts.keys() != self._counts.keys():
                    log.info("faults of the simulated TSE in %s: %s", self._directory, ", ".join(counts) or "none")
                self._counts, self._seen = counts, stamp
            return self._counts


def _known(name: str) -> None:
    if name not in FAULTS:
        raise ConfigurationError(
            Text("no fault {name!r}: use one of {known}", "keine Störung {name!r}: eine von {known} nehmen"),
            name=name,
            known=", ".join(FAULTS),
        )


def _one_less(counts: Counts, name: str) -> Counts:
    left = counts.get(name)
    return counts if left is None else {**counts, name: max(0, left - 1)}


def _read(directory: Path) -> Counts:
    try:
        content = strict_json.parse((directory / _FILE).read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        log.warning("%s is no list of faults and is ignored", directory / _FILE)
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: left for name, left in content.items() if name in FAULTS and (left is None or isinstance(left, int))}


def _edit(directory: Path, change: Callable[[Counts], Counts]) -> None:
    with _exclusive(directory):
        counts = change(_read(directory))
        if counts:
            replace_file(directory / _FILE, json.dumps(counts).encode(), durable=False, mode=0o644)
        else:
            (directory / _FILE).unlink(missing_ok=True)


@contextmanager
def _exclusive(directory: Path) -> Iterator[None]:
    try:
        handle = open_locked(directory / _LOCK, wait=True, mode=0o644)
    except FileNotFoundError:
        raise ConfigurationError(
            Text("there is no simulated TSE in {directory}", "in {directory} gibt es keine simulierte TSE"),
            directory=directory,
        ) from None
    try:
        yield
    finally:
        os.close(handle)
