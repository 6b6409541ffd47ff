"""The cover page of an audit package, in German for the auditor: which TSEs, which period, what each file is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from gateway import __version__
from gateway.i18n.locales import Locale
from gateway.i18n.printed_page import facts, page, table
from gateway.server.audit_package.zip_stream import SentFile

COVER, CHECKSUMS, PROTOCOL = "Deckblatt.html", "SHA256SUMS.txt", "Protokoll.txt"
EXPORTS, CERTIFICATES, LISTS, REPORT = "TAR", "Zertifikate", "Sperrlisten", "Pruefbericht"
DSFINVK, OUTAGES, MASTER_DATA, ACTS = "DSFinV-K", "Ausfaelle", "Stammdaten", "Handlungen"

_GERMAN = Locale("de")
_EXPORT = (
    "Export der TSE nach BSI TR-03153: alle Log-Nachrichten des Zeitraums mit Signaturen und Zertifikaten, wie die TSE "
    "sie geschrieben hat. Für die Prüfsoftware, zum Beispiel AmadeusVerify."
)
_TRANSACTIONS = (
    "Die Transaktionen aus dem Export in der Form der DSFinV-K (TSE_Transaktionen). Kassenabschlüsse und Bonnummern "
    "kennt nur die Kasse: Z_KASSE_ID ist die Client-ID, Z_NR ist 1, BON_ID besteht aus TSE und Transaktionsnummer."
)
_EXPLAINED = (  # the first whose name begins so
    (f"{EXPORTS}/", _EXPORT),
    (f"{CERTIFICATES}/", "Zertifikate der TSE: ihr eigenes und die ihrer Aussteller (PEM)."),
    (f"{LISTS}/", "Sperrlisten (CRL) der Aussteller, mit denen geprüft wurde."),
    (f"{REPORT}/pruefbericht.html", "Ergebnis der Prüfung der Exporte, zum Lesen und Drucken."),
    (f"{REPORT}/", "Dasselbe Ergebnis für Programme (JSON)."),
    (f"{DSFINVK}/tse.csv", "Stammdaten der TSE in der Form der DSFinV-K (Stamm_TSE)."),
    (f"{DSFINVK}/", _TRANSACTIONS),
    (f"{OUTAGES}/ausfaelle.html", "Ausfallzeiten und Ausfallgründe nach AEAO zu § 146a AO, Nr. 1.14.1, zum Drucken."),
    (f"{OUTAGES}/ausfaelle.csv", "Dieselben Ausfälle als Tabelle für Excel."),
    (f"{OUTAGES}/", "Dieselben Ausfälle für Programme (JSON), auch für „tse-gateway reconcile“."),
    (f"{ACTS}/", "Was Betreiber an TSE und Gateway geändert haben: wer, wann, von wo (CSV)."),
    (f"{MASTER_DATA}/", "Angaben zur TSE, wie sie die Mitteilung über ELSTER nach § 146a Abs. 4 AO verlangt (JSON)."),
    (PROTOCOL, "Wann dieses Paket wie entstanden ist."),
)
_SUBTITLE = "Unterlagen zur Kassen-Nachschau oder Außenprüfung (§§ 146a, 146b, 147 AO)"
_CHECK = (
    f"Ob eine Datei unverändert ist, zeigt ihre Prüfsumme (SHA-256); alle stehen auch in {CHECKSUMS}. Unter Linux: "
    f"sha256sum -c {CHECKSUMS}; unter Windows: certutil -hashfile DATEI SHA256."
)
_TILLS = "Die Einzelaufzeichnungen und der vollständige Export nach DSFinV-K kommen aus der Kassensoftware."
_FOOTER = f"Erstellt vom TSE-Gateway {__version__}. Zeiten sind Ortszeit des Gateways, wo nicht UTC dabeisteht."


@dataclass(frozen=True, slots=True)
class CoveredTse:
    """What the cover tells of a TSE: names and values."""

    serial: str
    known: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cover:
    """What the page tells; `made` in Unix seconds, `notes` are what the auditor must know before the rest is read."""

    site: str
    period: str
    made: float
    tses: Sequence[CoveredTse]
    notes: Sequence[str]


def cover_page(cover: Cover, files: Iterable[SentFile]) -> str:
    """Return the page."""
    known = (
        ("Betriebsstätte", cover.site or "-"),
        ("Zeitraum", cover.period),
        ("Erstellt am", _GERMAN.time(cover.made, zone=True)),
    )
    told = "".join(f"<li>{escape(note)}</li>" for note in cover.notes)
    body = [
        facts(known),
        f"<h2>Hinweise</h2><ul>{told}</ul>" if told else "",
        *(f"<h2>TSE {escape(one.serial)}</h2>\n{facts(one.known)}" for one in cover.tses),
        "<h2>Dateien</h2>",
        table(("Datei", "Was es ist", "Größe", "SHA-256"), map(_row, files)),
        f"<p>{escape(_CHECK)}</p><p>{escape(_TILLS)}</p>",
    ]
    return page("TSE-Daten für die Finanzverwaltung", _SUBTITLE, "\n".join(filter(None, body)), _FOOTER, "de")


def checksums(files: Iterable[SentFile]) -> bytes:
    """Return a file that `sha256sum -c` reads."""
    return "".join(f"{file.sha256}  {file.name}\n" for file in files).encode()


def _row(file: SentFile) -> str:
    explained = next((text for beginning, text in _EXPLAINED if file.name.startswith(beginning)), "")
    return (
        f"<tr><td>{escape(file.name)}</td><td>{escape(explained)}</td>"
        f'<td class="number">{_GERMAN.size(file.size)}</td><td class="place">{file.sha256}</td></tr>'
    )
