"""Steps that cannot be undone: the consequence is named, and a person types the end of the serial before it is done."""

from typing import TYPE_CHECKING, Any

import typer

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
_STOPPED = Text("nothing was done", "es wurde nichts getan")


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
    """Do `action` (also the end of its path, with hyphens), which takes about `seconds`, once it was confirmed.

    Raises:
        ConfigurationError: it was not; nothing was done.
    """
    from gateway.cli.progress import waiting

    asked = await api.post(f"{base}/confirmations", {"action": action})
    if not yes:
        typed = typer.prompt(cli.text(_TYPE, consequence=asked["consequence"]), err=True)
        if typed.strip().upper() != asked["serial"][-_DIGITS:]:
            raise ConfigurationError(cli.text(_STOPPED))
        # What was asked for may have waited too long for a person to read it.
        asked = await api.post(f"{base}/confirmations", {"action": action})
    async with waiting(cli.text(title), seconds):
        return await api.post(f"{base}/{action.replace('_', '-')}", {**body, "confirmation": asked["token"]})
