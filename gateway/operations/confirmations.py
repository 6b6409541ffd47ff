"""Confirmations of what cannot be undone, in two steps: ask for a token that names the consequence, then use it."""

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import GatewayError
from gateway.i18n.text import Language, Text

VALID_SECONDS = 60.0


class Irreversible(StrEnum):
    """The actions that need a confirmation."""

    SETUP = "setup"
    DECOMMISSION = "decommission"
    DELETE_STORED_DATA = "delete_stored_data"


_CONSEQUENCES = {
    Irreversible.SETUP: Text(
        "TSE {serial} gets the PINs and the PUK of your request and is put into service for good; "
        "wrong tries with another credential seed can block it for ever (generation 1)",
        "TSE {serial} bekommt die PINs und die PUK Ihrer Anfrage und wird endgültig in Betrieb genommen; "
        "falsche Versuche mit einem anderen Credential-Seed können sie für immer sperren (Generation 1)",
    ),
    Irreversible.DECOMMISSION: Text(
        "TSE {serial} is taken out of service for good and never signs again",
        "TSE {serial} wird endgültig außer Betrieb genommen und signiert nie wieder",
    ),
    Irreversible.DELETE_STORED_DATA: Text(
        "all log messages in TSE {serial} are deleted; only the archive of the gateway still holds them",
        "alle Log-Nachrichten in TSE {serial} werden gelöscht; nur das Archiv des Gateways hat sie noch",
    ),
}


class NotConfirmed(GatewayError):
    """The confirmation is missing, over, used up, or for something else."""

    code = "not_confirmed"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A question to the operator, valid until `until` (monotonic seconds)."""

    token: str
    serial: str
    action: Irreversible
    until: float

    def consequence(self, language: Language) -> str:
        """Return what the action does, in one sentence."""
        return _CONSEQUENCES[self.action].in_language(language, serial=self.serial)


class Confirmations:
    """The open confirmations: at most one for each TSE and action, each valid for one use."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[tuple[str, Irreversible], Confirmation] = {}

    def ask(self, serial: str, action: Irreversible) -> Confirmation:
        """Return a new confirmation; an earlier one for the same is void."""
        made = Confirmation(secrets.token_urlsafe(16), serial, action, self._clock() + VALID_SECONDS)
        self._open[serial, action] = made
        return made

    def use(self, serial: str, action: Irreversible, token: str) -> None:
        """Use up the token.

        Raises:
            NotConfirmed: it was not given for exactly this, or longer than `VALID_SECONDS` ago.
        """
        found = self._open.get((serial, action))
        if found is None or not hmac.compare_digest(found.token.encode(), token.encode()):
            raise NotConfirmed(
                Text(
                    "ask for a confirmation of {action} of this TSE first",
                    "erst eine Bestätigung für {action} dieser TSE anfordern",
                ),
                action=action,
            )
        del self._open[serial, action]
        if self._clock() > found.until:
            raise NotConfirmed(
                Text(
                    "the confirmation was valid for {seconds:g} s: ask again",
                    "die Bestätigung galt {seconds:g} s: neu anfordern",
                ),
                seconds=VALID_SECONDS,
            )
