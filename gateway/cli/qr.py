"""`qr`: show the QR code of a receipt on the terminal, or write it as a picture."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.base import Cli, TseName, command
from gateway.cli.help import both
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text, reason_of

_KINDS = {".svg": "svg", ".png": "png"}
_WRITTEN = Text("{file} is written", "{file} ist geschrieben")
_NO_CODE = Text(
    "transaction {number} has no QR code: it is not finished, or its start is too long ago",
    "Transaktion {number} hat keinen QR-Code: sie ist nicht beendet, oder ihr Beginn ist zu lange her",
)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "qr")(qr)


def qr(
    cli: Cli,
    what: Annotated[
        str,
        typer.Argument(
            metavar="RECEIPT",
            help=both(
                "Transaction number, or the text V0;... itself.", "Transaktionsnummer, oder der Text V0;... selbst."
            ),
        ),
    ],
    tse: TseName = "",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help=both("File to write: .svg or .png.", "Zu schreibende Datei: .svg oder .png.")
        ),
    ] = None,
) -> None:
    """Show the QR code of a receipt: of one of the last transactions, or of a receipt code.

    Example: tse-gateway qr 1 -o receipt.svg

    Deutsch: Den QR-Code eines Belegs zeigen: einer der letzten Transaktionen, oder eines Beleg-Codes.
    """
    if output is not None and output.suffix.lower() not in _KINDS:
        raise typer.BadParameter(both("--output ends in .svg or .png", "--output endet auf .svg oder .png"))
    text = _text_of(cli, what, tse)
    if cli.as_json:
        cli.print_json({"qr_text": text})
    if output is not None:
        _write(output, text)
        cli.say(_WRITTEN, file=output)
    elif not cli.as_json:
        from gateway.operations.receipt import qr_blocks

        print(qr_blocks(text))
        print(text)


def _text_of(cli: Cli, what: str, tse: str) -> str:
    if what.startswith("V0;"):
        return what
    if not what.isdecimal():
        raise typer.BadParameter(
            both(
                "a transaction number, or a text that begins with V0;",
                "eine Transaktionsnummer, oder ein Text, der mit V0; beginnt",
            )
        )
    found = cli.ask_tse(tse, lambda api, base: api.get(f"{base}/transactions/{what}"))
    if not found["qr_text"]:
        raise ConfigurationError(_NO_CODE, number=what)
    return str(found["qr_text"])


def _write(file: Path, text: str) -> None:
    from gateway.operations.receipt import qr_image

    try:
        file.write_bytes(qr_image(text, _KINDS[file.suffix.lower()]))
    except OSError as error:
        raise ConfigurationError(
            Text("{file} cannot be written: {reason}", "{file} lässt sich nicht schreiben: {reason}"),
            file=file,
            reason=reason_of(error),
        ) from None
