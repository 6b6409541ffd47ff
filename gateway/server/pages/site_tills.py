"""The tills of the site on the page for the tax office: the list, the XML for ELSTER, and a form with its words."""

from datetime import date
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field as ModelField

from gateway.access.caller import OPERATORS
from gateway.i18n.text import Text
from gateway.operations.elster import SiteTill
from gateway.server.api.elster import (
    SiteTillList,
    SiteTillRequest,
    list_site_tills,
    put_site_till,
    remove_site_till,
)
from gateway.server.api.endpoint import TSE, Call, Endpoint
from gateway.server.api.parameters import NoParams, TseParams
from gateway.server.api.requests import RequestBody
from gateway.server.api.routes import endpoint_of
from gateway.server.pages.forms import Field, Form, Kind
from gateway.server.pages.page import Content, PageView
from gateway.server.status_page import texts
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.layout import download, quiet
from gateway.server.status_page.widgets import short

_Name = Annotated[str, ModelField(min_length=1, max_length=120)]


class ReportedTill(RequestBody):
    """A till of the site as a form has it; the TSE is that of the page."""

    serial_number: _Name
    kind: int
    manufacturer: _Name
    model: _Name
    software: _Name
    software_version: _Name
    acquired: date
    in_service: date
    out_of_service: date | None = None
    out_of_service_reason: str | None = ModelField(None, max_length=120)
    tse_form: Literal["usb", "sd"] = "usb"


async def report_till(call: Call[TseParams, ReportedTill]) -> SiteTillList:
    """Enter a till that the TSE signs for, or change what is known of it."""
    till = SiteTill(tse_serial=call.params.serial, **call.body.model_dump())
    return await put_site_till(Call(call.services, call.request, NoParams(), SiteTillRequest(till=till), None))


_TITLE = Text("Tills of the site", "Kassen der Betriebsstätte")
_ABOUT = Text(
    "Always all of them are reported, those that are gone as well. The TSEs tell their part by themselves.",
    "Gemeldet werden immer alle, auch die, die weg sind. Ihren Teil sagen die TSEs selbst.",
)
_NONE = Text("No till is entered yet.", "Noch ist keine Kasse eingetragen.")
_XML = Text("Download the XML for ELSTER", "XML für ELSTER herunterladen")
_UPLOAD = Text(
    "Upload it at www.elster.de, form Mitteilung über elektronische Aufzeichnungssysteme (§ 146a Absatz 4 AO), and "
    "look at each field before you send it.",
    "Bei www.elster.de hochladen, Formular Mitteilung über elektronische Aufzeichnungssysteme (§ 146a Absatz 4 AO), "
    "und vor dem Absenden jedes Feld ansehen.",
)
_MISSING = Text("The file lacks: {fields}", "Für die Datei fehlt: {fields}")
_FIELDS = {
    "tse_in_service": Text("first day of the TSE", "erster Tag der TSE"),
    "certification_id": Text("BSI id of the TSE", "BSI-Kennung der TSE"),
}
_SERIAL = Text("Serial number", "Seriennummer")
_SOFTWARE, _VERSION = Text("Software", "Software"), Text("Version of the software", "Version der Software")
_MANUFACTURER, _MODEL = Text("Manufacturer", "Hersteller"), Text("Model", "Modell")
_ACQUIRED = Text("Date of acquisition", "Datum der Anschaffung")
_IN_SERVICE = Text("Date of taking into service", "Datum der Inbetriebnahme")
_OUT = Text("Date of taking out of service", "Datum der Außerbetriebnahme")
REPORT = Form(
    Endpoint("POST", f"{TSE}/report-till", OPERATORS, report_till, "Report a till", "With the TSE of the page."),
    Text("Enter a till, or change it", "Kasse eintragen oder ändern"),
    Text("Enter it", "Eintragen"),
    Text("The till {serial_number} is in the list.", "Die Kasse {serial_number} steht in der Liste."),
    (
        Field(
            "kind",
            Text("Kind of the system", "Art des Aufzeichnungssystems"),
            Kind.NUMBER,
            Text(
                "The number in ELSTER; 1: a till with a computer.", "Die Nummer in ELSTER; 1: computergestützte Kasse."
            ),
            value="1",
        ),
        Field("software", _SOFTWARE, length=120),
        Field("software_version", _VERSION, length=120),
        Field(
            "serial_number",
            _SERIAL,
            hint=Text("The client id by which it signs.", "Die Kassen-ID, mit der sie signiert."),
            length=120,
        ),
        Field("manufacturer", _MANUFACTURER, length=120),
        Field("model", _MODEL, length=120),
        Field(
            "tse_form",
            Text("Kind of the TSE", "Art der TSE"),
            Kind.CHOICE,
            options=(("usb", Text("USB stick", "USB-Stick")), ("sd", Text("SD card", "SD-Karte"))),
        ),
        Field("acquired", _ACQUIRED, Kind.DATE),
        Field("in_service", _IN_SERVICE, Kind.DATE),
        Field(
            "out_of_service", _OUT, Kind.DATE, Text("Empty: it is in use.", "Leer: sie ist in Betrieb."), required=False
        ),
        Field(
            "out_of_service_reason",
            Text("Reason", "Grund der Außerbetriebnahme"),
            hint=Text("Such as sold, stolen, broken.", "Etwa verkauft, gestohlen, defekt."),
            length=120,
            required=False,
        ),
    ),
    intro=Text(
        "For each till that this TSE signs for. When it gets a new TSE, enter it there once more.",
        "Für jede Kasse, für die diese TSE signiert. Bekommt sie eine neue TSE, dort noch einmal eintragen.",
    ),
)
REMOVE = Form(
    endpoint_of(remove_site_till),
    Text("Take a till from the list", "Kasse aus der Liste nehmen"),
    Text("Take it out", "Herausnehmen"),
    Text(
        "The till {serial_number} is no longer in the list.", "Die Kasse {serial_number} steht nicht mehr in der Liste."
    ),
    (Field("serial_number", _SERIAL, Kind.CHOICE),),
    consequence=Text(
        "Only for a till that was entered by mistake. One that is gone stays in the list, with its last day.",
        "Nur für eine irrtümlich eingetragene Kasse. Eine, die weg ist, bleibt in der Liste, mit ihrem letzten Tag.",
    ),
)
_HEADS = (texts.CLIENT, _MODEL, _SOFTWARE, _IN_SERVICE, _OUT, Text("TSE", "TSE"))


async def cards(view: PageView) -> Content:
    """Return the list with its file, and the forms that change it."""
    found: SiteTillList = await view.ask(endpoint_of(list_site_tills))
    known = {till.serial_number: till for till in found.tills}
    chosen = known.get(view.request.query.get("till", ""))
    values = {} if chosen is None else {name: str(value) for name, value in chosen.model_dump().items() if value}
    removal = view.form(REMOVE, options={"serial_number": [(name, name) for name in known]})
    return (
        view.card(
            "site-tills",
            _TITLE,
            quiet(view.text(_ABOUT)),
            view.table(_HEADS, [_row(view, till) for till in found.tills]) if known else quiet(view.text(_NONE)),
            *_file(view, found),
        ),
        view.form(REPORT, values=values),
        removal if known or _was_sent(view) else None,
    )


def _row(view: PageView, till: SiteTill) -> tuple[HtmlElement | str, ...]:
    name: HtmlElement | str = till.serial_number
    if view.may(OPERATORS):
        name = el("a", name, href=f"{view.path}?till={quote(till.serial_number)}#report-till")
    model, software = f"{till.manufacturer} {till.model}", f"{till.software} {till.software_version}"
    ended = "" if till.out_of_service is None else view.locale.day(till.out_of_service)
    return name, model, software, view.locale.day(till.in_service), ended, short(till.tse_serial)


def _file(view: PageView, found: SiteTillList) -> Content:
    if not found.tills:
        return ()
    missing = sorted({name for names in found.missing.values() for name in names})
    if missing:
        fields = ", ".join(view.text(_FIELDS[name]) for name in missing)
        return (el("p", view.text(_MISSING, fields=fields), class_="error"),)
    return (download(view.text(_XML), "/api/v1/elster.xml"), quiet(view.text(_UPLOAD)))


def _was_sent(view: PageView) -> bool:
    return view.sent is not None and view.sent.form == REMOVE.name
