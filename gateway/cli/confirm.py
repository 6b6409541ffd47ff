"""Actions that cannot be undone: the user is told the consequence and types the end of the serial to confirm."""

import sys
from typing import TYPE_CHECKING, Any

from gateway.cli import prompts
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.cli.base import Cli
    from gateway.client.api import Api

_DIGITS = 4
_TYPE = Text(
    "{consequence}.\nTo go on, type the last four digits of the serial",
    "{consequence}.\nZum Fortfahren die letzten vier Stellen der Seriennummer eingeben",
)
_OTHER = Text("these are not the last four digits", "das sind nicht die letzten vier Stellen")
_UNFIT = Text(
    "{reason}. The clock of the gateway says {time}, and a wrong time gets on receipts: correct it, or use --anyway",
    "{reason}. Die Uhr des Gateways sagt {time}, und eine falsche Zeit kommt auf Belege: richtigstellen, oder --anyway "
    "verwenden",
)
_STOPPED = Text("nothing was done", "es wurde nichts getan")


async def check_clock(cli: "Cli", api: "Api", *, anyway: bool) -> None:
    """Look at the clock of the gateway before anything is asked.

    Raises:
        ConfigurationError: nobody vouches for it, and it is not to be used `anyway`.
    """
    clock = await api.get("/clock")
    if not (clock["fit"] or anyway):
        raise ConfigurationError(_UNFIT, time=cli.moment(clock["now"]), reason=clock["reason"])


async def confirmed(
    cli: "Cli",
    api: "Api",
    base: str,
    action: str,
    body: dict[str, Any],
    *,
    title: Text,
    seconds: float,
    yes: bool = False,
) -> Any:
    """Do `action` once it is confirmed, and return the answer. `action` with hyphens is the end of its path.

    `title` and `seconds`, about how long it takes, are for the progress bar; `yes` skips the question.

    Raises:
        ConfigurationError: it was not confirmed; nothing was done.
    """
    from gateway.cli.progress import waiting

    asked = await api.post(f"{base}/confirmations", {"action": action})
    if not yes:
        end = str(asked["serial"])[-_DIGITS:]

        def check(typed: str) -> str:
            if typed.strip().upper() != end:
                raise ConfigurationError(_OTHER if sys.stdin.isatty() else _STOPPED)
            return typed

        prompts.asked(cli.text(_TYPE, consequence=asked["consequence"]), check, cli.language)
        # The confirmation may have expired while the user read the text.
        asked = await api.post(f"{base}/confirmations", {"action": action})
    async with waiting(cli.text(title), seconds):
        return await api.post(f"{base}/{action.replace('_', '-')}", {**body, "confirmation": asked["token"]})
