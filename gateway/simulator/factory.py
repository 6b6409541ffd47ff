"""The directory of a simulated TSE: made once, opened by one process at a time.

state.json   what it remembers; made last, so a directory without it holds no TSE
key.pem      private key          chain.pem   certificates, leaf first
TSE_TAR.00n  the store            lock        held while a process has the TSE open
faults.json  faults on demand, see `faults`
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.i18n.text import Text
from gateway.simulator import assumptions as assumed
from gateway.simulator.core import Core
from gateway.simulator.faults import Faults
from gateway.simulator.signing import SigningKey, certificate_chain
from gateway.simulator.state import STATE_FILE, PersistentState, StateLog, initial_secrets
from gateway.simulator.store import StoreFiles
from gateway.storage.atomic import replace_file, sync_directory
from gateway.storage.file_lock import open_locked
from gateway.tse.credentials import MAX_SEED, RETAIL_SEED, initial_credentials
from gateway.tse.fields import Generation
from gateway.tse.info import version_text
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import INFO_NAME, member

KEY_FILE = "key.pem"
CHAIN_FILE = "chain.pem"
LOCK_FILE = "lock"
_LONG_SEED = Text("the seed has more than {most} bytes", "der Seed hat mehr als {most} Bytes")
_STORE = Text("the store needs {least} to {most} blocks", "der Speicher braucht {least} bis {most} Blöcke")
_SIGNATURES = Text("it makes 1 to {most} signatures", "sie erstellt 1 bis {most} Signaturen")
_FIRMWARE_TYPE = Text("the firmware type has three letters", "der Firmware-Typ hat drei Buchstaben")
_SMALLEST_STORE = 256  # blocks: leading members, the reserve, and some transactions


@dataclass(frozen=True)
class Make:
    """Properties of a TSE as it leaves its factory; `valid` is the life of its certificate."""

    seed: bytes = RETAIL_SEED
    capacity_blocks: int = assumed.CAPACITY_BLOCKS
    max_signatures: int = assumed.MAX_SIGNATURES
    firmware_type: str = assumed.RELEASE
    generation: Generation = Generation.ONE
    valid: timedelta = timedelta(days=365 * assumed.CERTIFICATE_YEARS + 1)

    def __post_init__(self) -> None:
        problems = {
            _LONG_SEED.filled(most=MAX_SEED): len(self.seed) > MAX_SEED,
            _STORE.filled(least=_SMALLEST_STORE, most=2**32 - 1): not (_SMALLEST_STORE <= self.capacity_blocks < 2**32),
            _SIGNATURES.filled(most=assumed.MAX_SIGNATURES_SETTABLE): not (
                1 <= self.max_signatures <= assumed.MAX_SIGNATURES_SETTABLE
            ),
            _FIRMWARE_TYPE: len(self.firmware_type) != 3 or not self.firmware_type.isascii(),
        }
        for problem, there in problems.items():
            if there:
                raise ConfigurationError(
                    Text(
                        "no such simulated TSE can be made: {problem}",
                        "eine solche simulierte TSE gibt es nicht: {problem}",
                    ),
                    problem=problem,
                )


def holds_tse(directory: Path) -> bool:
    """Tell whether `directory` holds a TSE that was created completely."""
    return (directory / STATE_FILE).exists()


def take(directory: Path) -> int:
    """Own the directory until the returned handle is closed.

    Raises:
        ConfigurationError: another process (or another object of this one) owns it.
    """
    try:
        return open_locked(directory / LOCK_FILE)
    except BlockingIOError:
        raise ConfigurationError(
            Text(
                "the simulated TSE in {directory} is in use by another process",
                "die simulierte TSE in {directory} benutzt schon ein anderer Prozess",
            ),
            directory=directory,
        ) from None


def create_files(directory: Path, make: Make, *, created: float, durable: bool) -> None:
    """Make a fresh TSE in an owned directory; `created` in Unix seconds. `ConfigurationError` when one is there."""
    if holds_tse(directory):
        raise ConfigurationError(
            Text("there already is a simulated TSE in {directory}", "in {directory} gibt es schon eine simulierte TSE"),
            directory=directory,
        )
    key = SigningKey.generate()
    chain = certificate_chain(key, created=datetime.fromtimestamp(created, UTC), valid=make.valid)
    replace_file(directory / KEY_FILE, key.pem(), durable=durable)
    replace_file(directory / CHAIN_FILE, chain, durable=durable, mode=0o644)
    info = member(INFO_NAME, _info_csv(make.generation), mtime=int(created))
    certificate = member(f"{key.serial.hex().upper()}_X509.pem", chain, mtime=int(created))
    store = StoreFiles(directory)
    try:
        store.write(0, info + certificate)
        store.cut((len(info) + len(certificate)) // SECTOR)
        if durable:
            store.sync()
    finally:
        store.close()
    if durable:
        sync_directory(directory.parent)
    StateLog(directory, durable=durable).rewrite(_fresh_state(key, make, info, certificate, created))


def open_core(directory: Path, *, monotonic: Callable[[], float], durable: bool) -> Core:
    """Open the TSE in an owned directory, as after power-up; `ConfigurationError` when it is missing or damaged."""
    log, store = StateLog(directory, durable=durable), StoreFiles(directory)
    with ExitStack() as stack:
        stack.callback(store.close)
        state = log.load(store.write)
        key, chain = _identity(directory)
        if store.size() < state.used_blocks * SECTOR:
            raise ConfigurationError(
                Text(
                    "the simulated TSE in {directory} is damaged: its store is shorter than it was",
                    "die simulierte TSE in {directory} ist beschädigt: ihr Speicher ist kürzer, als er war",
                ),
                directory=directory,
            )
        core = Core(directory, key, chain, log, store, Faults(directory), monotonic, durable, state)
        core.compact()
        stack.pop_all()
    return core


def _identity(directory: Path) -> tuple[SigningKey, bytes]:
    try:
        return SigningKey.load((directory / KEY_FILE).read_bytes()), (directory / CHAIN_FILE).read_bytes()
    except OSError as error:
        raise ConfigurationError(
            Text(
                "the simulated TSE in {directory} is damaged: {error}",
                "die simulierte TSE in {directory} ist beschädigt: {error}",
            ),
            directory=directory,
            error=error,
        ) from None


def _fresh_state(key: SigningKey, make: Make, info: bytes, certificate: bytes, created: float) -> PersistentState:
    puks, pins = initial_secrets(initial_credentials(make.seed, key.serial, make.generation))
    leading = (len(info) + len(certificate)) // SECTOR
    return PersistentState(
        capacity_blocks=make.capacity_blocks,
        max_signatures=make.max_signatures,
        firmware_type=make.firmware_type,
        seed=make.seed,
        certificate_expires=int(created + make.valid.total_seconds()),
        leading_blocks=leading,
        certificate_block=len(info) // SECTOR,
        generation=make.generation,
        ctss_enabled=make.generation is Generation.TWO,  # which has no switch for it
        puks=puks,
        pins=pins,
        used_blocks=leading,
        last_entry_block=len(info) // SECTOR,
        acknowledged_blocks=leading,
    )


def _info_csv(generation: Generation) -> bytes:
    version = version_text(assumed.SOFTWARE_VERSIONS[generation])
    line = f'"description:","{assumed.DESCRIPTION}","manufacturer:","{assumed.MANUFACTURER}","version:","{version}"\n'
    return line.encode("ascii")
