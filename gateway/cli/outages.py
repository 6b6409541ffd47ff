"""`outages` and `retire`: the documented outages, and TSEs that are gone for good."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import completion
from gateway.cli.base import Cli, CsvOption, Since, TseName, Until, command
from gateway.cli.formatting import short
from gateway.cli.help import both
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.client.api import Api

_HEADS = (
    "TSE",
    Text("began", "Beginn"),
    Text("ended", "Ende"),
    Text("seconds", "Sekunden"),
    Text("refused", "abgewiesen"),
    Text("reason", "Grund"),
)
_NONE = Text("no outage is recorded", "kein Ausfall ist aufgezeichnet")
_ALL = Text("all (the gateway)", "alle (das Gateway)")
_RETIRED = Text("TSE {serial} is no longer reported as missing", "TSE {serial} wird nicht mehr als fehlend gemeldet")
_LASTS = Text("lasts", "dauert an")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "outages")(outages)
    command(app, "retire")(retire)


def outages(
    cli: Cli,
    tse: TseName = "",
    *,
    since: Since = "",
    until: Until = "",
    as_csv: CsvOption = False,
) -> None:
    """Show when TSEs could not be used. Begin, end, reason, requests of tills that were refused.

    Example: tse-gateway outages --from 2026-01-01 --csv > outages.csv

    Deutsch: Zeigen, wann TSEs nicht zu benutzen waren. Beginn, Ende, Grund, abgelehnte Anfragen von Kassen.
    """

    async def work(api: "Api") -> Any:
        limits = {"from": since, "to": until, "lang": cli.language}
        if tse:
            limits["serial"] = cli.chosen(tse, sorted(await _known(api)))
        given = {name: value for name, value in limits.items() if value}
        return await api.get("/outages.csv" if as_csv else "/outages", **given)

    found = cli.ask(work, without_tse=True)
    if as_csv:
        print(found, end="")
    elif cli.as_json:
        cli.print_json(found)
    elif found["outages"]:
        cli.table(_HEADS, [_row(cli, outage) for outage in found["outages"]])
    else:
        cli.say(_NONE)


def retire(
    cli: Cli,
    tse: Annotated[
        str,
        typer.Argument(
            metavar="TSE",
            autocompletion=completion.serials,
            help=both("Serial, or its beginning.", "Seriennummer oder ihr Beginn."),
        ),
    ],
) -> None:
    """Note that a TSE is gone for good, broken or lost. No alert reports it as missing any more.

    Example: tse-gateway retire 43B6F2

    Deutsch: Festhalten, dass eine TSE endgültig weg ist, defekt oder verloren. Kein Alarm meldet sie mehr als fehlend.
    """

    async def work(api: "Api") -> str:
        tses, log = await api.get("/tses"), await api.get("/outages")
        missed = {str(outage["tse_serial"]) for outage in log["outages"] if outage["ended"] is None}
        serial = cli.chosen(tse, sorted(missed | {str(known["serial"]) for known in tses}))
        await api.post(f"/tses/{serial}/retire", {})
        return serial

    serial = cli.ask(work, without_tse=True)
    if cli.as_json:
        cli.print_json({"serial": serial})
    else:
        cli.say(_RETIRED, serial=serial)


async def _known(api: "Api") -> set[str]:
    """Return the serials of all TSEs, also of those that are gone."""
    tses, archives = await api.get("/tses"), (await api.get("/archives"))["archives"]
    log = (await api.get("/outages"))["outages"]
    return {
        *(str(tse["serial"]) for tse in (*tses, *archives)),
        *(str(outage["tse_serial"]) for outage in log if outage["tse_serial"]),
    }


def _row(cli: Cli, outage: dict[str, Any]) -> tuple[object, ...]:
    return (
        short(outage["tse_serial"] or "") or cli.text(_ALL),
        cli.moment(outage["began"]),
        cli.moment(outage["ended"]) or cli.text(_LASTS),
        round(outage["seconds"]),
        outage["refused_requests"],
        outage["reason_text"],
    )
