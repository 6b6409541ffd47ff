"""What a simulated TSE remembers without power: one JSON file, replaced in one step.

That replacement is the commit point of every command. A state is a value: a command
makes a new one, and only when it is on the disk does it become the state of the TSE.
"""

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from gateway import strict_json
from gateway.errors import ConfigurationError
from gateway.simulator.assumptions import MAX_TRIES
from gateway.storage.atomic import replace_file
from gateway.tse.commands import User
from gateway.tse.credentials import Credentials

STATE_FILE = "state.json"
FORMAT = 2  # raise it when an older program could no longer understand the file


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


def save(directory: Path, state: PersistentState, *, durable: bool) -> None:
    """Write `state` in one step, which commits it."""
    replace_file(directory / STATE_FILE, json.dumps(_to_json(state)).encode(), durable=durable)


def load(directory: Path) -> PersistentState:
    """Read the committed state.

    Raises:
        ConfigurationError: none there, damaged, or written by a newer version.
    """
    path = directory / STATE_FILE
    try:
        content = strict_json.parse(path.read_bytes())
    except FileNotFoundError:
        raise ConfigurationError(f"there is no simulated TSE in {directory}") from None
    except ValueError as error:
        raise ConfigurationError(f"{path} is damaged: {error}") from None
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise ConfigurationError(
            f"the simulated TSE in {directory} has format {found}; this version knows up to {FORMAT}: use a newer one"
        )
    try:
        return _from_json(_from_format_1(content) if found == 1 else content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{path} is damaged: {type(error).__name__} {error}") from None


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
        raise ValueError(f"fields {sorted(content.keys() ^ (names | {'format'}))}")
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
