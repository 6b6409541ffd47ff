"""`notify`: mails and webhook calls about what needs attention."""

from typing import TYPE_CHECKING, Any

import typer

from gateway.cli.base import Cli, command
from gateway.cli.help import both
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.client.api import Api

_CHANNELS = {"mail": Text("mail", "Mail"), "webhook": Text("webhook", "Webhook")}
_SENT = Text("{channel}: the test message was sent", "{channel}: Die Testnachricht wurde gesendet")
_NOT_SENT = Text("{channel}: not sent: {error}", "{channel}: nicht gesendet: {error}")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help=both(
            "Mails and webhook calls about what needs attention.",
            "Mails und Webhook-Aufrufe über das, was Aufmerksamkeit braucht.",
        ),
        no_args_is_help=True,
    )
    command(group, "test")(test)
    app.add_typer(group, name="notify")


def test(cli: Cli) -> None:
    """Send a test message by each channel that is set up.

    Exit status: 0 sent by all, 1 not by all.

    Example: tse-gateway notify test

    Deutsch: Auf jedem eingerichteten Weg eine Testnachricht senden.

    Exit-Status: 0 auf allen gesendet, 1 nicht auf allen.
    """

    async def work(api: "Api") -> list[dict[str, Any]]:
        return list((await api.post("/notifications/test"))["results"])

    results = cli.ask(work, without_tse=True)
    if cli.as_json:
        cli.print_json(results)
    for result in results:
        channel = cli.text(_CHANNELS[result["channel"]])
        cli.say(_SENT if result["sent"] else _NOT_SENT, channel=channel, error=result["error"])
    if not all(result["sent"] for result in results):
        raise typer.Exit(1)
