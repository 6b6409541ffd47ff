"""What a simulated TSE remembers without power: a log whose first line is a state, and whose others are changes of it.

{"format": 3, "used_blocks": 14, ...}
{"used_blocks": 18, "signature_counter": 7, ..., "store": [[14, "<base64>"]]}

A line is the commit point of a command. A state is a value: a command makes a new one, and only when it is on the disk
does it become the state of the TSE. The line also holds what the command has written to the store, which is synced
only when the log is written anew: so a signature costs one sync, and after a power cut the store is written once more.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError, UnfitValue
from gateway.i18n.text import Text
from gateway.simulator.assumptions import MAX_TRIES
from gateway.storage.append_log import AppendLog
from gateway.tse.commands import User
from gateway.tse.credentials import Credentials

STATE_FILE = "state.json"
FORMAT = 3  # raise it when an older program could no longer understand the file
_UNREADABLE = Text("a line of {size} bytes cannot be read", "eine Zeile von {size} Bytes ist nicht lesbar")
_OTHER_FIELDS = Text("fields {names}", "Felder {names}")
_LONGEST = 1 << 20  # bytes of changes, about, until the log is written anew
_LINE = 512  # bytes of a change without what was written to the store, about


@dataclass(frozen=True)
class Secret:
    """A PIN or PUK with the tries that are left."""

    digits: bytes = field(repr=False)
    tries: int = MAX_TRIES
    changed: bool = False
    refused: int = 0  # wrong ones since the last right one; what the pause of a PUK of generation 2 follows from


@dataclass(frozen=True)
class PersistentState:
    """Everything that survives a power cycle. Blocks count 512 bytes; `leading_blocks` hold info.csv and certificate.

    `last_replies` maps client ids, and the empty id for "any", to the encoded `TransactionReply`.
    """

    capacity_blocks: int
    max_signatures: int
    firmware_type: str
    seed: bytes = field(repr=False)
    certificate_expires: int
    leading_blocks: int
    certificate_block: int
    puks: dict[int, Secret]
    pins: dict[int, Secret]
    used_blocks: int
    last_entry_block: int
    acknowledged_blocks: int
    lifecycle: int = 0
    ctss_enabled: bool = False
    export_if_csp_fails: bool = False
    clients: tuple[bytes, ...] = ()
    open_transactions: dict[int, bytes] = field(default_factory=dict)
    last_replies: dict[bytes, bytes] = field(default_factory=dict)
    signature_counter: int = 0
    transaction_number: int = 0
    last_log_time: int = 0
    generation: int = 1

    def with_pin(self, user: int, secret: Secret) -> "PersistentState":
        """Return this state with another PIN (or another number of tries) of `user`."""
        return replace(self, pins={**self.pins, user: secret})

    def with_puk(self, user: int, secret: Secret) -> "PersistentState":
        """Return this state with another PUK (or another number of tries) of `user`."""
        return replace(self, puks={**self.puks, user: secret})


def initial_secrets(initial: Credentials) -> tuple[dict[int, Secret], dict[int, Secret]]:
    """Return PUKs and PINs as they leave the factory."""
    puks, pins = ({int(user): Secret(it) for user, it in each.items()} for each in (initial.puks, initial.pins))
    return puks, pins


Redo = Callable[[int, bytes], None]  # block and data


class StateLog:
    """The log in the directory of a TSE. Unless it is `durable` nothing is synced, and the store is not kept in it."""

    def __init__(self, directory: Path, *, durable: bool) -> None:
        self._log = AppendLog(directory / STATE_FILE)
        self._durable = durable
        self._plain: dict[str, Any] = {}
        self._changes = 0  # bytes, about

    @property
    def is_long(self) -> bool:
        """True when it is time to write it anew."""
        return self._changes >= _LONGEST

    def load(self, redo: Redo = lambda _block, _data: None) -> PersistentState:
        """Return the committed state; `redo` gets what was written to the store, in its order.

        Raises:
            ConfigurationError: none there, damaged, or written by a newer version.
        """
        path = self._log.path
        if not path.exists():
            raise ConfigurationError(
                Text("there is no simulated TSE in {directory}", "in {directory} gibt es keine simulierte TSE"),
                directory=path.parent,
            )
        content: dict[str, Any] = {}
        try:
            for change in self._log.read(dict, _refuse):
                for block, data in change.pop("store", ()):
                    redo(block, base64.b64decode(data))
                content |= _of_today(change, path.parent) if not content else change
            state = _from_json(content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(
                Text("{path} is damaged: {kind} {error}", "{path} ist beschädigt: {kind} {error}"),
                path=path,
                kind=type(error).__name__,
                error=error,
            ) from None
        self._plain = _to_json(state)
        return state

    def commit(self, state: PersistentState, written: Mapping[int, bytes]) -> None:
        """Add `state`, whose command has `written` these blocks to the store."""
        plain = _to_json(state)
        change = {name: value for name, value in plain.items() if value != self._plain[name]}
        if self._durable:
            change["store"] = [[block, base64.b64encode(data).decode()] for block, data in written.items()]
        self._log.append(change, durable=self._durable)
        self._plain = plain
        self._changes += _LINE + sum(map(len, written.values()))

    def rewrite(self, state: PersistentState) -> None:
        """Put `state` in place of all that is there; the store must be synced."""
        self._plain = _to_json(state)
        self._log.rewrite([self._plain], durable=self._durable)
        self._changes = 0


def _refuse(line: bytes) -> None:
    if line.endswith(b"\n"):  # else its command was never answered
        raise UnfitValue(_UNREADABLE, size=len(line))


def _of_today(first: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Return the first line as of `FORMAT`."""
    found = first["format"]
    if isinstance(found, int) and found > FORMAT:
        raise ConfigurationError(
            Text(
                "the simulated TSE in {directory} has format {found}; this version knows up to {format}: use a newer "
                "one",
                "die simulierte TSE in {directory} hat das Format {found}; diese Version kennt Formate bis {format}: "
                "eine neuere nehmen",
            ),
            directory=directory,
            found=found,
            format=FORMAT,
        )
    return {**(_from_format_1(first) if found == 1 else first), "format": FORMAT}


def _to_json(state: PersistentState) -> dict[str, Any]:
    plain = {item.name: getattr(state, item.name) for item in fields(PersistentState)}
    return plain | {
        "format": FORMAT,
        "seed": state.seed.hex(),
        "puks": {str(user): _secret_to_json(puk) for user, puk in state.puks.items()},
        "pins": {str(user): _secret_to_json(pin) for user, pin in state.pins.items()},
        "clients": [client.decode("ascii") for client in state.clients],
        "open_transactions": {
            str(number): client.decode("ascii") for number, client in state.open_transactions.items()
        },
        "last_replies": {client.decode("ascii"): reply.hex() for client, reply in state.last_replies.items()},
    }


def _from_json(content: dict[str, Any]) -> PersistentState:
    names = {item.name for item in fields(PersistentState)}
    if content.keys() != names | {"format"}:
        raise UnfitValue(_OTHER_FIELDS, names=sorted(content.keys() ^ (names | {"format"})))
    plain = {name: content[name] for name in names}
    return PersistentState(
        **plain
        | {
            "seed": bytes.fromhex(content["seed"]),
            "puks": {int(user): _secret_from_json(puk) for user, puk in content["puks"].items()},
            "pins": {int(user): _secret_from_json(pin) for user, pin in content["pins"].items()},
            "clients": tuple(client.encode("ascii") for client in content["clients"]),
            "open_transactions": {
                int(number): client.encode("ascii") for number, client in content["open_transactions"].items()
            },
            "last_replies": {
                client.encode("ascii"): bytes.fromhex(reply) for client, reply in content["last_replies"].items()
            },
        }
    )


def _from_format_1(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content as of format 2; format 1 knew generation 1 only, with its one PUK."""
    rest = {name: value for name, value in content.items() if name != "puk"}
    return {**rest, "generation": 1, "puks": {str(int(User.ADMIN)): content["puk"]}}


def _secret_to_json(secret: Secret) -> dict[str, Any]:
    return {"digits": secret.digits.hex(), "tries": secret.tries, "changed": secret.changed, "refused": secret.refused}


def _secret_from_json(content: dict[str, Any]) -> Secret:
    digits, refused = bytes.fromhex(content["digits"]), int(content.get("refused", 0))
    return Secret(digits, int(content["tries"]), bool(content["changed"]), refused)
