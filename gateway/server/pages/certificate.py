"""The certificate of this gateway, and how a computer or a phone is told to trust it."""

import asyncio

from gateway.access.caller import READERS
from gateway.i18n.text import Text
from gateway.server.http import tls
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.status_page.html import el
from gateway.server.status_page.layout import download, quiet
from gateway.server.status_page.widgets import copyable, date

_TITLE = Text("Certificate", "Zertifikat")
_SHOWN = Text("What browsers and programs are shown", "Was Browser und Programme sehen")
_FINGERPRINT = Text("SHA-256 fingerprint", "SHA-256-Fingerabdruck")
_ENDS = Text("Valid until", "Gültig bis")
_OWN = Text(
    "This certificate comes from a CA of your own (GATEWAY_TLS_CERTIFICATE), which your computers trust already.",
    "Dieses Zertifikat stammt von einer eigenen CA (GATEWAY_TLS_CERTIFICATE), der Ihre Rechner schon vertrauen.",
)
_TRUST = Text("So that browsers do not warn any more", "Damit Browser nicht mehr warnen")
_ABOUT = Text(
    "The gateway has made a certification authority (CA) of its own. A computer that is given its certificate "
    "believes this gateway, and whoever holds the key of this CA, which lies in the state directory of the gateway. "
    "Tills need no certificate.",
    "Das Gateway hat eine eigene Zertifizierungsstelle (CA) angelegt. Ein Rechner, der ihr Zertifikat bekommt, glaubt "
    "diesem Gateway und jedem, der den Schlüssel dieser CA hat; er liegt im Zustandsverzeichnis des Gateways. Kassen "
    "brauchen kein Zertifikat.",
)
_DOWNLOAD = Text("CA certificate (ca.crt)", "CA-Zertifikat (ca.crt)")
_FOR_PROGRAMS = Text("The same for programs (ca.pem)", "Dasselbe für Programme (ca.pem)")
_STEPS = (
    (
        Text("Windows (Edge, Chrome)", "Windows (Edge, Chrome)"),
        Text(
            "Open ca.crt, Install Certificate, Local Machine, Place all certificates in the following store: Trusted "
            "Root Certification Authorities. Or in a command prompt as administrator, in the folder of the download:",
            "ca.crt öffnen, Zertifikat installieren, Lokaler Computer, Alle Zertifikate in folgendem Speicher "
            "speichern: Vertrauenswürdige Stammzertifizierungsstellen. Oder in einer Eingabeaufforderung als "
            "Administrator, im Ordner des Downloads:",
        ),
        "certutil -addstore Root ca.crt",
    ),
    (
        Text("Firefox", "Firefox"),
        Text(
            "Settings, Privacy & Security, View Certificates, Authorities, Import.",
            "Einstellungen, Datenschutz & Sicherheit, Zertifikate anzeigen, Zertifizierungsstellen, Importieren.",
        ),
        "",
    ),
    (
        Text("iPhone, iPad", "iPhone, iPad"),
        Text(
            "Open the file, then Settings, Profile Downloaded, Install; afterwards General, About, Certificate Trust "
            "Settings, and switch it on.",
            "Die Datei öffnen, dann Einstellungen, Profil geladen, Installieren; danach Allgemein, Info, "
            "Zertifikatsvertrauenseinstellungen, und dort einschalten.",
        ),
        "",
    ),
    (
        Text("Android", "Android"),
        Text(
            "Settings, Security, Encryption & credentials, Install a certificate, CA certificate.",
            "Einstellungen, Sicherheit, Verschlüsselung und Anmeldedaten, Zertifikat installieren, CA-Zertifikat.",
        ),
        "",
    ),
)


async def _content(view: PageView) -> Content:
    settings, locale = view.site.settings, view.locale
    fingerprint = await asyncio.to_thread(tls.fingerprint, settings)
    rows = [(_FINGERPRINT, copyable(fingerprint, _FINGERPRINT, locale))]
    if view.snapshot.tls_expires is not None:
        rows.append((_ENDS, date(locale, view.snapshot.tls_expires)))
    shown = view.card("shown", _SHOWN, view.rows(rows))
    if settings.tls_certificate is not None:
        return (shown, quiet(view.text(_OWN)))
    steps = [
        (name, el("span", view.text(how), " ", copyable(command, name, locale) if command else None))
        for name, how, command in _STEPS
    ]
    links = download(view.text(_DOWNLOAD), "/page/ca.crt")
    programs = el("p", el("a", view.text(_FOR_PROGRAMS), href="/page/ca.pem", download=True))
    return (shown, view.card("trust", _TRUST, quiet(view.text(_ABOUT)), links, view.rows(steps), programs))


PAGE = Page("certificate", _TITLE, READERS, _content)
