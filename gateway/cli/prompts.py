"""Questions at the terminal: asked again until the answer can be used, and ended by the first Ctrl-C."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from gateway.cli.formatting import wrapped
from gateway.errors import GatewayError
from gateway.i18n.text import Language, Text

_YES_OR_NO = Text("{question} [y/N]", "{question} [j/N]")
_YES, _NO = frozenset({"y", "yes", "j", "ja"}), frozenset({"n", "no", "nein", ""})
_WHICH = Text("please answer yes (y) or no (n)", "bitte mit ja (j) oder nein (n) antworten")


def ask(question: str, *, hidden: bool = False, default: str | None = None) -> str:
    """Return what is typed; nothing of it is shown if it is `hidden`. Enter alone is the default, if there is one."""
    with _interruptible():
        return str(
            typer.prompt(
                wrapped(question, sys.stderr), hide_input=hidden, default=default, show_default=False, err=True
            )
        )


def asked(question: str, check: Callable[[str], str], language: Language, *, hidden: bool = False) -> str:
    """Return what `check` makes of the answer. At a terminal a wrong one is told and the question comes again.

    Raises:
        GatewayError: there is no terminal, and the answer is wrong.
    """
    while True:
        answer = ask(question, hidden=hidden)
        try:
            return check(answer)
        except GatewayError as error:
            if not sys.stdin.isatty():
                raise
            typer.echo(wrapped(error.in_language(language), sys.stderr), err=True)


def confirmed(question: str, language: Language) -> bool:
    """Return whether the answer is yes, in either language."""
    while True:
        answer = ask(_YES_OR_NO.in_language(language, question=question), default="").strip().lower()
        if answer in _YES | _NO:
            return answer in _YES
        typer.echo(_WHICH.in_language(language), err=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the question at once: asyncio would wait for the coroutine that asks it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
