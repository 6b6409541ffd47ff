"""The doctor as a picture of layers, from the USB socket to the clock; and the support bundle."""

from collections.abc import Sequence

from gateway.access.caller import MONITORS
from gateway.checks import LAYERS, SUMMARIES, CheckStatus, Layer
from gateway.i18n.text import Text
from gateway.server.api.doctor import Examination, LayerFinding, examine, get_support_bundle
from gateway.server.api.routes import endpoint_of
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.status_page import svg
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.layout import download
from gateway.server.status_page.snapshot import StatusLevel
from gateway.server.status_page.widgets import capitalized, marked, sentence, short

_WHICH = Text("Which layer is it", "Welche Schicht ist es")
_MACHINE = Text("USB of this machine", "USB dieses Rechners")
_TSE, _NO_TSE = Text("TSE {serial}", "TSE {serial}"), Text("TSE", "TSE")
_GATEWAY = Text("Gateway", "Gateway")
_BEGIN = Text("begin here", "hier anfangen")
_AGAIN = Text("Examine again", "Noch einmal untersuchen")
_INSIDE = Text(
    "Examined just now, from the inside of the running gateway and by the checks of `tse-gateway doctor`; nothing was "
    "changed. Two things show only outside. Whether the network lets tills through: open `{address}` in a browser at "
    "the till. Why a gateway does not start: `tse-gateway doctor` on its machine.",
    "Gerade untersucht, im laufenden Gateway und mit den Prüfungen von `tse-gateway doctor`; dabei ändert sich nichts. "
    "Zweierlei zeigt sich nur außerhalb. Ob das Netz die Kassen durchlässt: an der Kasse `{address}` im Browser "
    "öffnen. Warum ein Gateway nicht startet: `tse-gateway doctor` auf seinem Rechner.",
)
_BUNDLE = Text("Support bundle", "Supportpaket")
_BUNDLE_ABOUT = Text(
    "One file for your reseller or support: versions, states, settings, this examination, the log, USB devices and "
    "disks. PINs, PUKs, tokens and keys are left out; serials, names of tills and addresses are in it: check it before "
    "you send it. The same as `tse-gateway support-bundle`.",
    "Eine Datei für Ihren Händler oder Support: Versionen, Zustände, Einstellungen, diese Untersuchung, das Protokoll, "
    "USB-Geräte und Datenträger. PINs, PUKs, Token und Schlüssel fehlen darin; Seriennummern, Namen der Kassen und "
    "Adressen stehen darin: vor dem Versenden prüfen. Dasselbe wie `tse-gateway support-bundle`.",
)
_DOWNLOAD = Text("Download the support bundle (ZIP)", "Supportpaket herunterladen (ZIP)")
_LEVELS = {
    CheckStatus.OK: StatusLevel.GOOD,
    CheckStatus.WARN: StatusLevel.WARNING,
    CheckStatus.FAIL: StatusLevel.BAD,
    CheckStatus.UNKNOWN: StatusLevel.IDLE,
}
_WORDS = {
    CheckStatus.OK: Text("in order", "in Ordnung"),
    CheckStatus.WARN: Text("warning", "Warnung"),
    CheckStatus.FAIL: Text("does not work", "geht nicht"),
    CheckStatus.UNKNOWN: Text("cannot be told", "nicht feststellbar"),
}
_WORST_FIRST = (CheckStatus.FAIL, CheckStatus.WARN, CheckStatus.UNKNOWN, CheckStatus.OK)
_HOST = (Layer.USB, Layer.BLOCK, Layer.CONTENT)
_OF_GATEWAY = (Layer.POOL, Layer.GATEWAY, Layer.TLS, Layer.TOKEN, Layer.DISK, Layer.CLOCK)
_QUESTIONS = {
    Layer.USB: Text("is something that stores data plugged in?", "steckt ein Speichergerät in der Buchse?"),
    Layer.BLOCK: Text(
        "does the system see it, may the gateway use it?", "sieht das System es, darf das Gateway es benutzen?"
    ),
    Layer.CONTENT: Text("is a TSE stored on it?", "liegt darauf eine TSE?"),
    Layer.INFO: Text("does the TSE answer, is it in service?", "antwortet die TSE, ist sie in Betrieb?"),
    Layer.SELF_TEST: Text("has it examined itself?", "hat sie sich selbst geprüft?"),
    Layer.TIME: Text("does it know the time?", "kennt sie die Uhrzeit?"),
    Layer.PINS: Text("is a PIN blocked, or nearly so?", "ist eine PIN gesperrt, oder fast?"),
    Layer.CLIENTS: Text("are tills registered with it?", "sind Kassen an ihr angemeldet?"),
    Layer.CERTIFICATE: Text("may it sign for long enough?", "darf sie noch lange genug signieren?"),
    Layer.STORE: Text("has it room and signatures left?", "reichen Platz und Signaturen noch?"),
    Layer.POOL: Text("could another TSE step in?", "kann eine andere TSE einspringen?"),
    Layer.GATEWAY: Text("can tills ask it?", "können Kassen es fragen?"),
    Layer.TLS: Text("is the certificate for tills and browsers valid?", "gilt das Zertifikat für Kassen und Browser?"),
    Layer.TOKEN: Text("are tills let in?", "werden Kassen eingelassen?"),
    Layer.DISK: Text("can what must be kept be written?", "lässt sich schreiben, was aufzubewahren ist?"),
    Layer.CLOCK: Text("does this machine know the time?", "kennt dieser Rechner die Uhrzeit?"),
}


async def _content(view: PageView) -> Content:
    found: Examination = await view.ask(endpoint_of(examine))
    groups = list(_groups(view, found.findings))
    address = f"https://{view.snapshot.address}:{view.snapshot.port}/healthz"
    first = next((it for status in _WORST_FIRST[:2] for it in found.findings if it.verdict == status), None)
    level = _LEVELS[CheckStatus(found.verdict)]
    summary = SUMMARIES[{"ok": 0, "warn": 1, "fail": 2}[found.verdict]]
    return (
        view.card(
            "layers",
            _WHICH,
            el("p", svg.shape(level), el("span", sentence(view.text(summary))), class_=f"verdict {level}"),
            *(_picture(view, name, marker, findings, first) for name, marker, findings in groups),
            el("p", *marked(view.text(_INSIDE, address=address)), class_="quiet"),
            el("p", el("a", view.text(_AGAIN), href=view.path)),
        ),
        *(_details(view, name, marker, findings) for name, marker, findings in groups),
        _bundle(view),
    )


def _groups(view: PageView, findings: Sequence[LayerFinding]) -> list[tuple[str, str, list[LayerFinding]]]:
    """Return the findings by what they are about: its name, its marker, and what was found of it."""
    about_tses = [it for it in findings if Layer(it.layer) not in (*_HOST, *_OF_GATEWAY)]
    serials = list(dict.fromkeys(it.tse_serial or "" for it in about_tses))
    groups = [(view.text(_MACHINE), "usb", [it for it in findings if Layer(it.layer) in _HOST])]
    for serial in serials:
        name = view.text(_TSE, serial=short(serial)) if serial else view.text(_NO_TSE)
        groups.append((name, f"tse-{serial[:8]}", [it for it in about_tses if (it.tse_serial or "") == serial]))
    return [*groups, (view.text(_GATEWAY), "gateway", [it for it in findings if Layer(it.layer) in _OF_GATEWAY])]


def _picture(
    view: PageView, name: str, marker: str, findings: Sequence[LayerFinding], first: LayerFinding | None
) -> HtmlElement:
    """Return the layers of one group side by side, each with the worst that was found of it."""
    tiles = []
    for layer in dict.fromkeys(it.layer for it in findings):
        of_layer = [it for it in findings if it.layer == layer]
        verdict = next(status for status in _WORST_FIRST if any(it.verdict == status for it in of_layer))
        begins = first is not None and any(it is first for it in of_layer)
        tile = el(
            "a",
            svg.shape(_LEVELS[verdict]),
            el("b", capitalized(view.text(LAYERS[Layer(layer)]))),
            el("span", view.text(_WORDS[verdict]), class_="quiet" if verdict is CheckStatus.OK else "word"),
            el("span", view.text(_BEGIN), class_="begin") if begins else None,
            href=f"#{marker}-{_slug(layer)}",
            class_=f"tile {_LEVELS[verdict]}",
        )
        tiles.append(el("li", tile))
    return el("div", el("h3", name), el("ol", *tiles), class_="layers")


def _details(view: PageView, name: str, marker: str, findings: Sequence[LayerFinding]) -> HtmlElement:
    rows, seen = [], set()
    for it in findings:
        layer = Layer(it.layer)
        about = f"{capitalized(view.text(LAYERS[layer]))}: {view.text(_QUESTIONS[layer])}"
        told = el(
            "div",
            el("p", about, class_="quiet"),
            el("p", *marked(sentence(it.text))),
            el("p", *marked(sentence(it.remedy)), class_="remedy") if it.remedy else None,
        )
        level = _LEVELS[CheckStatus(it.verdict)]
        place = None if layer in seen else f"{marker}-{_slug(layer)}"
        rows.append(el("li", svg.shape(level), told, id=place, class_=str(level)))
        seen.add(layer)
    return view.card(f"about-{marker}", Text(name, name), el("ol", *rows, class_="findings"))


def _bundle(view: PageView) -> HtmlElement | None:
    if not view.may(endpoint_of(get_support_bundle).roles):
        return None
    link = download(view.text(_DOWNLOAD), "/api/v1/support-bundle")
    return view.card("bundle", _BUNDLE, el("p", *marked(view.text(_BUNDLE_ABOUT)), class_="quiet"), link)


def _slug(layer: str) -> str:
    return layer.replace(" ", "-")


PAGE = Page("doctor", Text("Diagnosis", "Diagnose"), MONITORS, _content)
