"""`qr`: show the QR code of a receipt on the terminal, or write it as a picture."""

import shutil
import sys
from typing import Annotated, Literal

import typer

from gateway.cli.base import Cli, TseName, command
from gateway.cli.help import both
from gateway.cli.output import STANDARD, OutputFile, check, opened
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text

_KINDS: dict[str, Literal["svg", "png"]] = {".svg": "svg", ".png": "png"}
_WRITTEN = Text("{file} is written", "{file} ist geschrieben")
_TOO_NARROW = Text(
    "the code is {needed} columns wide, the terminal {there}: widen it, make its letters smaller, or write a picture "
    "(--output receipt.svg)",
    "der Code ist {needed} Spalten breit, das Terminal {there}: breiter machen, kleinere Schrift wählen, oder ein Bild "
    "schreiben (--output beleg.svg)",
)
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
    output: OutputFile = None,
    form: Annotated[
        Literal["svg", "png"] | None,
        typer.Option(
            "--format",
            help=both(
                "Form of the picture; without it as FILE ends, else svg.",
                "Art des Bildes; ohne sie, wie FILE endet, sonst svg.",
            ),
        ),
    ] = None,
) -> None:
    """Show the QR code of a receipt: of one of the last transactions, or of a receipt code.

    Example: tse-gateway qr 1 -o receipt.svg

    Deutsch: Den QR-Code eines Belegs zeigen: einer der letzten Transaktionen, oder eines Beleg-Codes.
    """
    if form is None and output is not None:
        form = "svg" if output == STANDARD else _KINDS.get(output.suffix.lower())
    if output is not None and form is None:
        raise typer.BadParameter(
            both("--output ends in .svg or .png, or --format", "--output endet auf .svg oder .png, oder --format")
        )
    if output is not None:
        check(output, text=form == "svg")
    text = _text_of(cli, what, tse)
    if output is not None:
        from gateway.operations.receipt import qr_image

        with opened(output) as out:
            out.write(qr_image(text, form or "svg"))
        cli.written(output, _WRITTEN, {"qr_text": text})
    elif cli.as_json:
        cli.print_json({"qr_text": text})
    else:
        _show(text)


def _show(text: str) -> None:
    from gateway.operations.receipt import qr_blocks

    blocks = qr_blocks(text)
    needed, there = max(map(len, blocks.splitlines())), shutil.get_terminal_size().columns
    if sys.stdout.isatty() and needed > there:
        raise ConfigurationError(_TOO_NARROW, needed=needed, there=there)
    print(blocks)
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
