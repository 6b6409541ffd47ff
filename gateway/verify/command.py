"""`tse-gateway verify`: check files, show a report, say by the exit status how bad it is."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.errors import GatewayError
from gateway.i18n.text import language_of
from gateway.verify.files import Options, certificates_in, verify_file
from gateway.verify.findings import FileReport, Severity
from gateway.verify.report import as_data, print_report
from gateway.verify.texts import worst
from gateway.verify.trust import load_trust

CLEAN, WARNINGS, ERRORS, INTERRUPTED = 0, 1, 2, 130


def verify_files(
    paths: Sequence[str],
    *,
    trust: Sequence[Path] = (),
    language: str | None = None,
    as_json: bool = False,
    complete: bool = False,
    processes: int = 0,
) -> int:
    """Check files and print the report; the exit status.

    `paths` may hold a receipt code (`V0;...`) instead of a file. Certificate files among them
    give keys to the others. `trust`: files and directories of CA certificates. `complete`:
    missing messages are errors, for the files are said to be full exports.

    0: nothing, or notes. 1: warnings. 2: errors, or it could not be checked. 130: Ctrl-C.
    """
    language = language_of({"LANG": language} if language else os.environ)
    try:
        options = Options(certificates_in(paths), load_trust(trust), complete, processes)
        with _progress() as advance:
            reports = _reports(paths, options, advance, None if as_json else language)
    except GatewayError as error:
        sys.stderr.write(f"tse-gateway: {error}\n")
        return ERRORS
    except KeyboardInterrupt:
        return INTERRUPTED
    if as_json:
        sys.stdout.write(json.dumps([as_data(report, language) for report in reports], indent=2) + "\n")
    return max(map(exit_status, reports), default=CLEAN)


def judge(path: Path, *, complete: bool = False) -> int:
    """The exit status that `verify_files` would give for one file; nothing is printed."""
    options = Options(certificates_in([str(path)]), load_trust(()), complete, 0)
    with _progress() as advance:
        (report,) = _reports([str(path)], options, advance, None)
    return exit_status(report)


def exit_status(report: FileReport) -> int:
    """By the worst finding of a file."""
    return {None: CLEAN, Severity.NOTE: CLEAN, Severity.WARNING: WARNINGS, Severity.ERROR: ERRORS}[
        worst(report.findings)
    ]


_Advance = Callable[[str, int, int], None]  # file, messages checked, messages in all


def _reports(paths: Sequence[str], options: Options, advance: _Advance, language: str | None) -> list[FileReport]:
    """All files, one after the other; each is printed when it is done if there is a language to do it in."""
    console, reports = Console(highlight=False), []
    for path in paths:
        report = verify_file(path, options, partial(advance, path))
        reports.append(report)
        if language is not None:
            print_report(report, language, console)
    return reports


@contextmanager
def _progress() -> Iterator[_Advance]:
    """A bar on the terminal, away when done; nothing when standard error is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        tasks = {}

        def advance(path: str, done: int, total: int) -> None:
            if path not in tasks:
                tasks[path] = bar.add_task(Path(path).name, total=total, rate="")
            task = bar.tasks[tasks[path]]
            rate = f"{task.speed:.0f}/s" if task.speed else ""
            bar.update(tasks[path], completed=done, rate=rate, visible=done < total)

        yield advance
