"""What commands write: a file that takes its place when it is whole, or standard output for another program."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from gateway.cli.help import both
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text, reason_of

STANDARD = Path("-")


def _folder(name: str | Path) -> Path:
    """Return the folder that is named, or that a command takes by default."""
    if Path(name) == STANDARD:
        raise typer.BadParameter(
            both("this command writes a folder: name one", "dieser Befehl schreibt ein Verzeichnis: eines nennen")
        )
    return Path(name)


OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help=both(
            "File to write; - is standard output, for another program.",
            "Zu schreibende Datei; - ist die Standardausgabe, für ein anderes Programm.",
        ),
    ),
]
OutputFolder = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        parser=_folder,
        help=both(
            "Folder to write; it is made if it is missing.",
            "Zu schreibendes Verzeichnis; es wird angelegt, wenn es fehlt.",
        ),
    ),
]
STANDARD_OUTPUT = Text("standard output", "Standardausgabe")
_EXISTS = Text(
    "{file} exists already: name another one by --output", "{file} gibt es schon: mit --output anders nennen"
)
_NO_TEXT = Text(
    "this is no text for a terminal: name a file, or hand it to a program (... -o - | age -r KEY > FILE)",
    "das ist kein Text für ein Terminal: eine Datei nennen, oder einem Programm geben (... -o - | age -r KEY > DATEI)",
)
_CANNOT = Text("{file} cannot be written: {reason}", "{file} lässt sich nicht schreiben: {reason}")


def check(file: Path, *, text: bool = False, new: bool = False) -> Path:
    """Return `file` if it can be written as far as is known: `text` for a terminal, too; `new`: nothing is replaced.

    Raises:
        ConfigurationError: it cannot.
    """
    if file != STANDARD:
        if new and file.exists():
            raise ConfigurationError(_EXISTS, file=file)
    elif not text and sys.stdout.isatty():
        raise ConfigurationError(_NO_TEXT)
    return file


@contextmanager
def opened(file: Path, *, private: bool = False) -> Iterator[IO[bytes]]:
    """Give what is written to; a file is in its place when the block ends well, for nobody else if it is `private`.

    Raises:
        ConfigurationError: it cannot be written.
    """
    from gateway.storage.atomic import replacing

    try:
        if file == STANDARD:
            yield sys.stdout.buffer
            sys.stdout.flush()
        else:
            with replacing(file, mode=0o600 if private else 0o666) as out:
                yield out
    except BrokenPipeError:  # who reads has enough
        raise
    except OSError as error:
        raise ConfigurationError(_CANNOT, file=file, reason=reason_of(error)) from None
