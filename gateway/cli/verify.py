"""Check exports, log messages and receipt codes."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Its command."""
    app.command("verify")(verify)


def verify(
    files: Annotated[list[str], typer.Argument(help="Exports, log messages, certificates, or a receipt code V0;...")],
    trust: Annotated[
        list[Path] | None, typer.Option(help="CA certificates: a file, or a directory with such; may be repeated.")
    ] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="These are full exports: messages that are missing are errors.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    language: Annotated[str | None, typer.Option(help="de or en, instead of the locale's.")] = None,
) -> None:
    """Check exports, messages, receipt codes. Of any vendor's TSE: signatures, chains, counters, times.

    Exit status: 0 in order or notes only, 1 warnings, 2 errors or not checkable.

    Example: tse-gateway verify export.tar --trust ca.pem --json
    """
    from gateway.verify.command import verify_files

    status = verify_files(files, trust=trust or [], language=language, as_json=as_json, complete=complete)
    raise typer.Exit(status)
