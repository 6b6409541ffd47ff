"""PINs, PUKs and seeds from a file, from the terminal without echo, or from a pipe; never from the command line."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import prompts
from gateway.cli.formatting import wrapped
from gateway.cli.help import both
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text

PIN_LENGTH, PUK_LENGTH = 5, 6  # as in gateway.tse.credentials, whose import would slow down each command


_FILE_WITH = Text(
    "File with {what}, or {variable}; without it the terminal is asked.",
    "Datei mit {what}, oder {variable}; ohne sie wird am Terminal gefragt.",
)


def secret_file(name: str, what: Text, *older: str) -> Any:
    """Return the option --NAME-file for the file with a secret; TSE_NAME_FILE of the environment names it, too.

    `older` variables of released versions count as well.
    """
    variable = f"TSE_{name.upper().replace('-', '_')}_FILE"
    told = _FILE_WITH.filled(what=what, variable=variable)
    told_in = both(told.in_language("en"), told.in_language("de"))
    return typer.Option(f"--{name}-file", help=told_in, envvar=[variable, *older], show_envvar=False)


AdminPinFile = Annotated[Path | None, secret_file("admin-pin", Text("the Admin PIN", "der Admin-PIN"))]
TimeAdminPinFile = Annotated[Path | None, secret_file("time-admin-pin", Text("the TimeAdmin PIN", "der TimeAdmin-PIN"))]
PukFile = Annotated[Path | None, secret_file("puk", Text("the PUK", "der PUK"), "TSE_ADMIN_PUK_FILE")]

RiskLockout = Annotated[
    bool,
    typer.Option(
        "--risk-lockout",
        help=both(
            "Send it even if it is the last try or was wrong before: it may block the TSE for ever.",
            "Senden, auch wenn es der letzte Versuch ist oder schon einmal falsch war: das kann die TSE für immer "
            "sperren.",
        ),
    ),
]

ADMIN_PIN = Text("Admin PIN", "Admin-PIN")
TIME_ADMIN_PIN = Text("TimeAdmin PIN", "TimeAdmin-PIN")
PUK = Text("PUK", "PUK")
NEW_ADMIN_PIN = Text("new Admin PIN (5 characters)", "neue Admin-PIN (5 Zeichen)")
LOGGER_PIN = Text("Logger PIN", "Logger-PIN")
NEW_LOGGER_PIN = Text("new Logger PIN (5 characters)", "neue Logger-PIN (5 Zeichen)")
NEW_TIME_ADMIN_PIN = Text("new TimeAdmin PIN (5 characters)", "neue TimeAdmin-PIN (5 Zeichen)")
NEW_PUK = Text("new PUK (6 characters)", "neue PUK (6 Zeichen)")
_AGAIN = Text("once more, please", "bitte noch einmal")
_DIFFERENT = Text("the two differ: once again from the start", "die beiden sind verschieden: noch einmal von vorn")
_NO_TERMINAL = Text(
    "there is no terminal to ask for the {name}: name its file by an option or by the environment (see --help)",
    "kein Terminal zum Fragen nach: {name}. Die Datei damit als Option oder in der Umgebung nennen (siehe --help)",
)
_LENGTH = Text("{name} has {length} characters, no spaces", "{name} hat {length} Zeichen, keine Leerzeichen")


class Secrets:
    """Reads secrets; `text` returns a text in the user's language.

    Raises:
        ConfigurationError: a secret has the wrong form, cannot be read, or there is no terminal to ask.
    """

    def __init__(self, text: Callable[..., str]) -> None:
        self._text = text

    def known(self, name: Text, file: Path | None, length: int) -> str:
        """Return a secret of `length` characters that the TSE has already."""
        return self._secret(name, file, length, again=False)

    def new(self, name: Text, file: Path | None, length: int) -> str:
        """Return a secret of `length` characters that the TSE will get; on a terminal it is typed twice."""
        return self._secret(name, file, length, again=True)

    def line(self, name: Text, file: Path | None, default: str) -> str:
        """Return a seed, which is any text; an empty one is `default`."""
        from gateway.telemetry.log import register_secret

        if file is None and sys.stdin.isatty():
            found = prompts.ask(self._text(name), hidden=True, default=default)
        else:
            found = self._read(file) if file else self._piped(name, default)
        register_secret(found)
        return found

    def _checked(self, name: Text, value: str, length: int) -> str:
        from gateway.telemetry.log import register_secret

        if len(value) != length or not all("!" <= letter <= "~" for letter in value):
            raise ConfigurationError(_LENGTH, name=self._text(name).split(" (")[0], length=length)
        register_secret(value)
        return value

    def _secret(self, name: Text, file: Path | None, length: int, *, again: bool) -> str:
        if file is not None:
            return self._checked(name, self._read(file), length)
        if not sys.stdin.isatty():
            return self._checked(name, self._piped(name, None), length)
        while True:
            try:
                value = self._checked(name, prompts.ask(self._text(name), hidden=True), length)
            except ConfigurationError as error:
                typer.echo(wrapped(self._text(error.text), sys.stderr), err=True)
                continue
            if not again or prompts.ask(self._text(_AGAIN), hidden=True) == value:
                return value
            typer.echo(self._text(_DIFFERENT), err=True)

    def _piped(self, name: Text, default: str | None) -> str:
        """Return a line that another program writes; it is not asked for twice, since nobody mistypes it."""
        line = sys.stdin.readline()
        if not line:
            raise ConfigurationError(_NO_TERMINAL, name=self._text(name).split(" (")[0])
        return line.rstrip("\r\n") or default or ""

    @staticmethod
    def _read(file: Path) -> str:
        try:
            return file.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                Text("{file} cannot be read: {error}", "{file} lässt sich nicht lesen: {error}"), file=file, error=error
            ) from None
