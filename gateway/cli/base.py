"""What all commands share: the gateway they ask, the language, and output as text, table or JSON."""

import asyncio
import functools
import inspect
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gateway.cli import completion
from gateway.cli.formatting import day, moment, printable, wrapped
from gateway.cli.help import both, spoken
from gateway.cli.output import STANDARD, STANDARD_OUTPUT
from gateway.errors import ConfigurationError
from gateway.i18n.locales import Locale
from gateway.i18n.text import Language, Text

if TYPE_CHECKING:
    from rich.console import Console

    from gateway.client.api import Api, Remote
    from gateway.config.settings import Settings

T = TypeVar("T")

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", help=both("TOML file; the environment wins over it.", "TOML-Datei; die Umgebung hat Vorrang.")
    ),
]
TseName = Annotated[
    str,
    typer.Argument(
        metavar="[TSE]",
        autocompletion=completion.serials,
        help=both(
            "Serial, or its beginning; needed only if there are several TSEs.",
            "Seriennummer oder ihr Beginn; nur nötig, wenn es mehrere TSEs gibt.",
        ),
    ),
]
Since = Annotated[
    str,
    typer.Option(
        "--from", help=both("From this day or moment on: 2026-01-31.", "Ab diesem Tag oder Zeitpunkt: 2026-01-31.")
    ),
]
Until = Annotated[
    str,
    typer.Option(
        "--to",
        help=both(
            "Up to this day or moment; a day counts to its end.",
            "Bis zu diesem Tag oder Zeitpunkt; ein Tag zählt bis zu seinem Ende.",
        ),
    ),
]
CsvOption = Annotated[
    bool,
    typer.Option(
        "--csv",
        help=both(
            "Print CSV for spreadsheets, as an auditor needs it.",
            "CSV für Tabellenprogramme ausgeben, wie Prüfer sie brauchen.",
        ),
    ),
]
ClientOption = Annotated[
    str,
    typer.Option(
        "--client",
        autocompletion=completion.clients,
        help=both("Only of the till with this client id.", "Nur von der Kasse mit dieser Client-ID."),
    ),
]
Anyway = Annotated[
    bool,
    typer.Option(
        "--anyway",
        help=both("Even if the clock of the gateway may be wrong.", "Auch wenn die Uhr des Gateways falsch sein kann."),
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help=both("Print JSON, for programs.", "JSON ausgeben, für Programme."))
]
_OPTIONS: Mapping[str, Any] = {
    "config": ConfigFile,
    "url": Annotated[
        str,
        typer.Option(
            help=both(
                "Gateway on another machine: https://HOST:PORT.",
                "Gateway auf einem anderen Rechner: https://HOST:PORT.",
            ),
            envvar="TSE_GATEWAY_URL",
        ),
    ],
    "token_file": Annotated[
        Path | None,
        typer.Option(
            help=both("File with the API token of that gateway.", "Datei mit dem API-Token jenes Gateways."),
            envvar="TSE_GATEWAY_TOKEN_FILE",
        ),
    ],
    "ca": Annotated[
        Path | None,
        typer.Option(
            help=both(
                "CA certificate of that gateway, if it is not a public one.",
                "CA-Zertifikat jenes Gateways, wenn es kein öffentliches ist.",
            ),
            envvar="TSE_GATEWAY_CA",
        ),
    ],
    "fingerprint": Annotated[
        str,
        typer.Option(
            help=both("SHA-256 of its certificate, instead of --ca.", "SHA-256 seines Zertifikats, statt --ca."),
            envvar="TSE_GATEWAY_FINGERPRINT",
        ),
    ],
    "client_certificate": Annotated[
        Path | None,
        typer.Option(
            help=both(
                "PEM file with a client certificate and its key, instead of or beside the token.",
                "PEM-Datei mit einem Client-Zertifikat und seinem Schlüssel, statt des Tokens oder zusätzlich.",
            ),
            envvar="TSE_GATEWAY_CLIENT_CERTIFICATE",
        ),
    ],
    "as_json": JsonOption,
}
_DEFAULTS: Mapping[str, Any] = {
    "config": None,
    "token_file": None,
    "ca": None,
    "client_certificate": None,
    "as_json": False,
}
_NO_TSE = Text(
    "no TSE: plug one in, name one in GATEWAY_DEVICES, or try `tse-gateway serve --simulator 1`",
    "keine TSE: eine einstecken, in GATEWAY_DEVICES nennen, oder `tse-gateway serve --simulator 1` versuchen",
)
_NO_LIMIT = 10_000  # columns of a console
_WHICH = Text(
    "several TSEs: name one by the beginning of its serial{listed}",
    "mehrere TSEs: eine mit dem Beginn ihrer Seriennummer nennen{listed}",
)
_NAME_ONE = Text(
    "no single TSE has a serial with this beginning{listed}",
    "keine einzelne TSE hat eine Seriennummer mit diesem Beginn{listed}",
)
_DIRECT = Text("no gateway runs: the TSE is asked directly", "es läuft kein Gateway: die TSE wird direkt gefragt")


@dataclass(frozen=True, slots=True)
class Cli:
    """One call of a command, with the options that all commands have."""

    config: Path | None = None
    url: str = ""
    token_file: Path | None = None
    ca: Path | None = None
    fingerprint: str = ""
    client_certificate: Path | None = None
    language: Language = "en"
    as_json: bool = False

    # ---- output -------------------------------------------------------------

    def text(self, text: Text, **values: object) -> str:
        """Return a text in the user's language."""
        return text.in_language(self.language, **values)

    def say(self, text: Text, **values: object) -> None:
        """Print a line for people; nothing with --json."""
        if not self.as_json:
            print(wrapped(self.text(text, **values), sys.stdout))

    def note(self, text: Text, **values: object) -> None:
        """Print a line for people on standard error, beside the result."""
        typer.echo(wrapped(self.text(text, **values), sys.stderr), err=True)

    def written(self, file: Path, text: Text, data: Mapping[str, object], **values: object) -> None:
        """Tell that `file` is written, by `data` with --json; on standard error if it is standard output."""
        to, name = (sys.stderr, self.text(STANDARD_OUTPUT)) if file == STANDARD else (sys.stdout, str(file))
        told = self.text(text, file=name, **values)
        print(as_json(data) if self.as_json else wrapped(told, to), file=to)

    @staticmethod
    def console() -> "Console":
        """Return a console with colours only on a terminal and without NO_COLOR; piped lines are not wrapped."""
        from rich.console import Console

        return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=_NO_LIMIT)

    def table(self, heads: Sequence[Text | str], rows: Iterable[Sequence[object]]) -> None:
        """Print rows for people, as wide as the terminal; control characters in them are escaped."""
        from rich.text import Text as Styled

        from gateway.cli import table

        def cells(values: Iterable[object]) -> list[Styled]:
            return [value if isinstance(value, Styled) else Styled(printable(str(value))) for value in values]

        names = cells(head if isinstance(head, str) else self.text(head) for head in heads)
        table.show(self.console(), names, [cells(row) for row in rows])

    @property
    def locale(self) -> Locale:
        """How the user writes numbers and times."""
        return Locale(self.language)

    def moment(self, iso: str | None) -> str:
        """Return an ISO 8601 moment of the API in local time; an empty text for None."""
        return moment(iso, self.locale) if iso else ""

    def day(self, iso: str | None) -> str:
        """Return the local day of an ISO 8601 moment, or a day; an empty text for None."""
        return day(iso, self.locale) if iso else ""

    @staticmethod
    def print_json(data: object) -> None:
        """Print data for programs."""
        print(as_json(data))

    # ---- the gateway --------------------------------------------------------

    def settings(self, **overrides: object) -> "Settings":
        """Return the settings that `serve` would use, with `overrides` that are not None."""
        from gateway.config import settings

        given = {name: value for name, value in overrides.items() if value is not None}
        return settings.load(os.environ, self.config, **given)

    def ask(self, work: Callable[["Api"], Awaitable[T]], *, without_tse: bool = False) -> T:
        """Do `work` with the gateway that the options name, that of this machine, or one made for this command.

        `without_tse`: the work can be done even if no TSE is there.
        """
        return asyncio.run(self._ask(work, without_tse=without_tse))

    def ask_tse(self, name: str, work: Callable[["Api", str], Awaitable[T]]) -> T:
        """Do `work` with a gateway and the path of one TSE in its API."""

        async def found(api: "Api") -> T:
            return await work(api, f"/tses/{await self.serial(api, name)}")

        return self.ask(found)

    async def serial(self, api: "Api", name: str) -> str:
        """Return the whole serial of the TSE whose serial begins with `name`, or of the only one."""
        return self.chosen(name, [str(tse["serial"]) for tse in await api.get("/tses")])

    def chosen(self, name: str, known: Sequence[str]) -> str:
        """Return the only serial that begins with `name`.

        Raises:
            ConfigurationError: there is none, or more than one.
        """
        matching = [serial for serial in known if serial.startswith(name.upper())]
        if len(matching) == 1:
            return matching[0]
        if not known:
            raise ConfigurationError(_NO_TSE)
        listed = "".join(f"\n  {serial}" for serial in matching or known)
        raise ConfigurationError(_NAME_ONE if name else _WHICH, listed=listed)

    async def _ask(self, work: Callable[["Api"], Awaitable[T]], *, without_tse: bool) -> T:
        async with AsyncExitStack() as stack:
            return await work(await self.reached(stack, without_tse=without_tse))

    async def reached(self, stack: AsyncExitStack, *, without_tse: bool = False) -> "Api":
        """Return a client of the gateway, for as long as `stack` is open.

        Raises:
            GatewayError: none can be reached.
        """
        from gateway.client import api, trust

        if self.url:
            return await stack.enter_async_context(api.remote(self.remote(), self.language))
        settings = self.settings()
        try:
            return await stack.enter_async_context(api.local(settings, self.language))
        except trust.NoGateway:
            from gateway.app import standalone

            self.note(_DIRECT)
            return await stack.enter_async_context(
                standalone.serving(settings, language=self.language, without_tse=without_tse)
            )

    def remote(self) -> "Remote":
        """Return the gateway on another machine that the options name.

        Raises:
            ConfigurationError: there is no file with its token, and no certificate.
        """
        from gateway.client.api import Remote

        if self.token_file is None and self.client_certificate is None:
            raise ConfigurationError(
                Text(
                    "--url needs --token-file with the API token of that gateway",
                    "--url braucht --token-file mit dem API-Token jenes Gateways",
                )
            )
        return Remote(self.url, self.token_file, self.ca, self.fingerprint, self.client_certificate)


def as_json(data: object) -> str:
    """Return data for programs as text."""
    return json.dumps(data, indent=2, ensure_ascii=False)


def command(group: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds a command; its first parameter is the `Cli`, made from options of all commands."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        group.command(name)(_with_options(function))
        return function

    return register


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    own = list(inspect.signature(function).parameters.values())[1:]

    @functools.wraps(function)
    def run(context: typer.Context, **given: Any) -> None:
        shared = {name: given.pop(name) for name in _OPTIONS}
        # Log records of the services are for the log of a gateway; the command itself tells its user.
        logging.getLogger("gateway").addHandler(logging.NullHandler())
        function(Cli(**shared, language=spoken(context)), **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    options = [
        inspect.Parameter(name, keyword, default=_DEFAULTS.get(name, ""), annotation=annotation)
        for name, annotation in _OPTIONS.items()
    ]
    context = inspect.Parameter("context", keyword, annotation=typer.Context)
    parameters = [context, *(parameter.replace(kind=keyword) for parameter in own), *options]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
