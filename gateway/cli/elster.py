"""`elster`: the tills of the site for the tax office, and the XML that ELSTER takes."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import completion
from gateway.cli.base import Cli, TseName, command
from gateway.cli.formatting import printable, short
from gateway.cli.help import both
from gateway.cli.output import OutputFile, check, opened
from gateway.i18n.form_words import in_words
from gateway.i18n.text import Text

_HEADS = (
    Text("till", "Kasse"),
    Text("model", "Modell"),
    Text("software", "Software"),
    Text("in service", "in Betrieb seit"),
    Text("out of service", "außer Betrieb seit"),
    "TSE",
    Text("BSI id", "BSI-Id"),
    Text("missing", "fehlt"),
)
_NONE = Text(
    "no till is in the list yet: tse-gateway elster till --help",
    "noch keine Kasse in der Liste: tse-gateway elster till --help",
)
_KEPT = Text("till {name} is in the list", "Kasse {name} steht in der Liste")
_MISSING = Text("still missing: {fields}", "es fehlt noch: {fields}")
_REMOVED = Text("till {name} is no longer in the list", "Kasse {name} steht nicht mehr in der Liste")
_WRITTEN = Text(
    "{file} is written: upload it at www.elster.de, form Mitteilung über elektronische Aufzeichnungssysteme "
    "(§ 146a Absatz 4 AO), and look at each field before you send it",
    "{file} ist geschrieben: bei www.elster.de hochladen, Formular Mitteilung über elektronische Aufzeichnungssysteme "
    "(§ 146a Absatz 4 AO), und vor dem Absenden jedes Feld ansehen",
)
_XML = Path("Aufzeichnung146a.xml")
_USUAL = {"kind": 1, "tse_form": "usb"}
TillName = Annotated[
    str,
    typer.Argument(
        metavar="TILL",
        autocompletion=completion.clients,
        help=both(
            "Serial number of the till: the client id by which it signs.",
            "Seriennummer der Kasse: die Client-ID, mit der sie signiert.",
        ),
    ),
]


def _option_of_day(text: str) -> Any:
    return typer.Option(help=text, formats=["%Y-%m-%d"], metavar="YYYY-MM-DD")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help=both(
            "The notification of the tax office: tills and TSEs of the site.",
            "Die Mitteilung an das Finanzamt: Kassen und TSEs der Betriebsstätte.",
        ),
        no_args_is_help=True,
    )
    for name, function in (("show", show), ("till", till), ("remove", remove), ("xml", xml)):
        command(group, name)(function)
    app.add_typer(group, name="elster")


def show(cli: Cli) -> None:
    """Show the tills of the site, and what is missing for the XML.

    Example: tse-gateway elster show

    Deutsch: Die Kassen der Betriebsstätte zeigen, und was für das XML fehlt.
    """
    found = cli.ask(lambda api: api.get("/elster/tills"), without_tse=True)
    if cli.as_json:
        cli.print_json(found)
    elif found["tills"]:
        cli.table(_HEADS, (_row(cli, one, found["missing"]) for one in found["tills"]))
    else:
        cli.say(_NONE)


def till(
    cli: Cli,
    name: TillName,
    tse: TseName = "",
    *,
    manufacturer: Annotated[str, typer.Option(help=both("Who made it.", "Ihr Hersteller."))] = "",
    model: Annotated[str, typer.Option(help=both("Its model.", "Ihr Modell."))] = "",
    software: Annotated[str, typer.Option(help=both("Its software.", "Ihre Software."))] = "",
    software_version: Annotated[str, typer.Option(help=both("Version of that.", "Deren Version."))] = "",
    acquired: Annotated[
        datetime | None,
        _option_of_day(
            both("When it was bought, leased or borrowed.", "Wann sie gekauft, geleast oder geliehen wurde.")
        ),
    ] = None,
    in_service: Annotated[
        datetime | None, _option_of_day(both("When it was first used.", "Wann sie erstmals benutzt wurde."))
    ] = None,
    out_of_service: Annotated[
        datetime | None,
        _option_of_day(
            both("When it was used last, if it is gone.", "Wann sie zuletzt benutzt wurde, wenn sie weg ist.")
        ),
    ] = None,
    reason: Annotated[
        str,
        typer.Option(
            help=both(
                "Why it is gone, such as sold, stolen or broken.",
                "Warum sie weg ist, etwa verkauft, gestohlen oder defekt.",
            )
        ),
    ] = "",
    tse_in_service: Annotated[
        datetime | None,
        _option_of_day(
            both(
                "First day of the TSE; without it as the TSE tells.",
                "Erster Tag der TSE; ohne Angabe, wie die TSE ihn nennt.",
            )
        ),
    ] = None,
    certification_id: Annotated[
        str,
        typer.Option(
            metavar="NNNN-YYYY",
            help=both(
                "BSI id of the TSE; without it as the TSE tells.",
                "BSI-Kennung der TSE; ohne Angabe, wie die TSE sie nennt.",
            ),
        ),
    ] = "",
) -> None:
    """Add a till to the list, or change what is given here. If another TSE is named, that of before is forgotten.

    Example: tse-gateway elster till POS-1 --manufacturer Muster --model T3 --software POS --software-version 7.4
    --acquired 2026-09-14 --in-service 2026-09-21

    Deutsch: Eine Kasse in die Liste aufnehmen, oder ändern, was hier angegeben ist. Wird eine andere TSE genannt, ist
    die bisherige vergessen.
    """
    given = {
        "manufacturer": manufacturer,
        "model": model,
        "software": software,
        "software_version": software_version,
        "acquired": _day(acquired),
        "in_service": _day(in_service),
        "out_of_service": _day(out_of_service),
        "out_of_service_reason": reason,
        "tse_in_service": _day(tse_in_service),
        "certification_id": certification_id,
    }

    async def work(api: Any) -> Any:
        listed = (await api.get("/elster/tills"))["tills"]
        known = next((one for one in listed if one["serial_number"] == name), {"serial_number": name} | _USUAL)
        if tse or "tse_serial" not in known:
            serial = await cli.serial(api, tse)
            if serial != known.get("tse_serial"):
                known = known | {"tse_serial": serial, "tse_in_service": None, "certification_id": None}
        changed = known | {field: value for field, value in given.items() if value}
        return await api.post("/elster/tills", {"till": changed})

    done = cli.ask(work, without_tse=True)
    if cli.as_json:
        cli.print_json(done)
    cli.say(_KEPT, name=printable(name))
    for fields in done["missing"].values():
        cli.say(_MISSING, fields=in_words(fields))


def remove(cli: Cli, name: TillName) -> None:
    """Take a till from the list that was entered by mistake. One that is gone stays: give it --out-of-service.

    Example: tse-gateway elster remove POS-9

    Deutsch: Eine irrtümlich eingetragene Kasse aus der Liste nehmen. Eine, die weg ist, bleibt: ihr --out-of-service
    geben.
    """
    done = cli.ask(lambda api: api.post("/elster/tills/remove", {"serial_number": name}), without_tse=True)
    if cli.as_json:
        cli.print_json(done)
    cli.say(_REMOVED, name=printable(name))


def xml(
    cli: Cli,
    *,
    output: OutputFile = None,
) -> None:
    """Write the notification of the whole site as XML for ELSTER. Without --output into Aufzeichnung146a.xml.

    Example: tse-gateway elster xml

    Deutsch: Die Mitteilung der ganzen Betriebsstätte als XML für ELSTER schreiben. Ohne --output in
    Aufzeichnung146a.xml.
    """
    file = check(output or _XML, text=True, new=True)
    found = cli.ask(lambda api: api.get("/elster.xml"), without_tse=True)
    with opened(file) as out:
        out.write(found.encode())
    cli.written(file, _WRITTEN, {"file": str(file)})


def _day(moment: datetime | None) -> str:
    return "" if moment is None else moment.date().isoformat()


def _row(cli: Cli, one: dict[str, Any], missing: dict[str, list[str]]) -> tuple[object, ...]:
    return (
        one["serial_number"],
        f"{one['manufacturer']} {one['model']}",
        f"{one['software']} {one['software_version']}",
        cli.day(one["in_service"]),
        cli.day(one["out_of_service"]),
        short(one["tse_serial"]),
        one["certification_id"] or "",
        cli.text(in_words(missing.get(one["serial_number"], []))),
    )
