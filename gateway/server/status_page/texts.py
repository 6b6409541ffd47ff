"""What the page says in English and German, beside what `gateway.i18n.remedies` says of a TSE."""

from gateway.i18n.text import Text
from gateway.tse.pins import PinOwner

# ---- around everything ------------------------------------------------------

SKIP = Text("Skip to the state of the TSEs", "Zum Zustand der TSEs")
SKIP_TO_CONTENT = Text("Skip to the content", "Zum Inhalt")
NAVIGATION = Text("Pages", "Seiten")
STATE = Text("State", "Zustand")
LIVE = Text("live", "aktuell")
LOST = Text(
    "No connection to the gateway. What is shown here is out of date; the page keeps trying to connect.",
    "Keine Verbindung zum Gateway. Was hier steht, ist veraltet; es wird laufend neu versucht.",
)
SIMULATED = Text(
    "Simulated TSE: for development, not for a shop. Its signatures are worth nothing.",
    "Simulierte TSE: zum Entwickeln, nicht für den Laden. Ihre Signaturen gelten nicht.",
)
API = Text("Description of the REST API", "Beschreibung der REST-API")
VERSION = Text("TSE gateway {version}", "TSE-Gateway {version}")
TLS_UNTIL = Text("TLS certificate until {date}", "TLS-Zertifikat bis {date}")
COPY = Text("Copy", "Kopieren")
COPIED = Text("Copied", "Kopiert")

# ---- the state of the site --------------------------------------------------

SIGNING = Text("Signing", "Signiert")
ALL_READY = Text("All {total} TSEs are ready.", "Alle {total} TSEs sind bereit.")
ONE_READY = Text("The TSE is ready.", "Die TSE ist bereit.")
SIGNING_PARTLY = Text("Signing, but not with every TSE", "Signiert, aber nicht mit jeder TSE")
SOME_READY = Text("{ready} of {total} TSEs are ready.", "{ready} von {total} TSEs sind bereit.")
NOT_READY = Text("Not ready yet", "Noch nicht bereit")
NOT_SIGNING = Text("Not signing", "Signiert nicht")
RECEIPTS = Text(
    "Meanwhile print receipts with the note that the TSE is out of order; the outage is recorded here.",
    "Belege in der Zwischenzeit mit dem Hinweis auf den Ausfall der TSE ausgeben; der Ausfall wird hier festgehalten.",
)

# ---- one TSE ----------------------------------------------------------------

READY = Text("Ready", "Bereit")
ATTENTION = Text("Ready, needs attention", "Bereit, braucht Beachtung")
WAITING = Text("Waiting", "Wartet")
NOT_SET_UP = Text("Not set up", "Nicht eingerichtet")
FAILED = Text("Failed", "Ausgefallen")
DECOMMISSIONED = Text("Decommissioned", "Außer Betrieb")
SET_UP = Text("Set it up now", "Jetzt einrichten")
SINCE = Text("since {time}", "seit {time}")
WHAT_TO_DO = Text("What to do?", "Was tun?")
SELF_TEST = Text("Self test", "Selbsttest")
SET_TIME = Text("Set the time", "Uhrzeit stellen")
CERTIFICATE = Text("Certificate until", "Zertifikat bis")
DUE_NOW = Text("due", "fällig")
DUE_IN = Text("in {duration}", "in {duration:dative}")
UNKNOWN = Text("unknown", "unbekannt")
STORE = Text("Store", "Speicher")
STORE_USED = Text("{used} of {total} used", "{used} von {total} belegt")
SIGNATURES = Text("Signatures", "Signaturen")
SIGNATURES_USED = Text("{used} of {total} used", "{used} von {total} verbraucht")
CLIENTS = Text("Tills", "Kassen")
CLIENTS_REGISTERED = Text("{used} of {total} registered", "{used} von {total} angemeldet")
OPEN_TRANSACTIONS = Text("open transactions: {count}", "offene Transaktionen: {count}")
FREE = Text("Free right now", "Gerade frei")
HELD_BY = Text("Held for {duration} by {holder}", "Seit {duration:dative} belegt von {holder}")
HELD_BY_GATEWAY = Text(
    "Held for {duration} by the gateway (REST API, maintenance)",
    "Seit {duration:dative} belegt vom Gateway (REST-API, Wartung)",
)
NOBODY_WAITS = Text("nobody waits", "niemand wartet")
ONE_WAITS = Text("1 till waits", "1 Kasse wartet")
SOME_WAIT = Text("{count} tills wait", "{count} Kassen warten")
RATE = Text("Signatures per minute", "Signaturen je Minute")
RATE_TITLE = Text(
    "Signatures per minute in the last hour: now {now}, at most {most}, {total} in all",
    "Signaturen je Minute in der letzten Stunde: zuletzt {now}, höchstens {most}, zusammen {total}",
)
RATE_NOW = Text("now {count}", "jetzt {count}")
RATE_MOST = Text("at most {count}", "höchstens {count}")
HOUR_AGO = Text("an hour ago", "vor einer Stunde")
NOW = Text("now", "jetzt")
DETAILS = Text("Details", "Einzelheiten")
SERIAL = Text("Serial number", "Seriennummer")
PLACE = Text("Place", "Ort")
DESCRIPTION = Text("Description", "Bezeichnung")
FIRMWARE = Text("Firmware", "Firmware")
CERTIFIED_UNTIL = Text("Product certified until", "Produkt zertifiziert bis")
FIRMWARE_UNKNOWN = Text(" (whether with this firmware is unknown)", " (ob mit dieser Firmware, ist unbekannt)")
LOGGED_IN = Text("Logged in", "Angemeldet")
NOBODY = Text("nobody", "niemand")
OLD_TILLS = Text("Tills with older software", "Kassen mit älterer Software")
OLD_TILLS_TRANSLATED = Text(
    "Their commands are translated. What that means for the certification, the maker of the POS must say.",
    "Ihre Befehle werden übersetzt. Was das für die Zertifizierung heißt, muss der Kassenhersteller sagen.",
)
OLD_TILLS_REFUSED = Text(
    "Cannot use this TSE (GATEWAY_OLD_TILLS)", "Können diese TSE nicht benutzen (GATEWAY_OLD_TILLS)"
)
READ_AT = Text("Last read", "Zuletzt gelesen")
FLASH = Text("Flash memory", "Flash-Speicher")
FLASH_LEFT = Text("spare blocks {spare}, erase cycles {erases}", "Reserve {spare}, Löschzyklen {erases}")
EXPORT = Text("Export (TAR)", "Export (TAR)")
CERTIFICATES = Text("Certificates (PEM)", "Zertifikate (PEM)")
DSFINVK = Text("DSFinV-K", "DSFinV-K")
ELSTER = Text("ELSTER data", "ELSTER-Daten")
ARCHIVE_EMPTY = Text("Archive: still empty", "Archiv: noch leer")
ARCHIVE_UNTIL = Text("Archive: verified, as of {time}", "Archiv: geprüft, Stand {time}")
ARCHIVE_RUNNING = Text("Archive: being written ({percent})", "Archiv: wird gerade geschrieben ({percent})")
ARCHIVE_EXPORT = Text("Archive (TAR)", "Archiv (TAR)")
ARCHIVE_STATE = Text("State of the archive", "Stand des Archivs")

# ---- what needs attention while a TSE signs; a remedy follows as a sentence of its own

CERTIFICATE_ENDS = Text("The certificate ends in {duration}", "Das Zertifikat endet in {duration:dative}")
CERTIFICATION_ENDS = Text(
    "The certification of the product ends in {duration}", "Die Zertifizierung des Produkts endet in {duration:dative}"
)
CERTIFICATION_ENDED = Text(
    "The certification of the product has ended", "Die Zertifizierung des Produkts ist abgelaufen"
)
SELF_TEST_DUE = Text("The self test is due in {duration}", "Der Selbsttest ist in {duration:dative} fällig")
SIGNATURES_END = Text("Only {count} signatures are left", "Nur noch {count} Signaturen übrig")
STORE_FILLS = Text("{percent} of the store is used", "Der Speicher ist zu {percent} belegt")
STANDBY_LACKS_CLIENTS = Text(
    "{count} tills of the primary are not registered with this standby",
    "{count} Kassen der Haupt-TSE sind an dieser Ersatz-TSE nicht angemeldet",
)
STANDBY_HAS_STEPPED_IN = Text(
    "It signs in place of the primary, and receipts show its serial",
    "Sie signiert anstelle der Haupt-TSE, und auf Belegen steht ihre Seriennummer",
)
PRIMARY_SERVES = Text("Primary of the pool, serves", "Haupt-TSE des Pools, im Dienst")
PRIMARY_RESTS = Text(
    "Primary of the pool; a standby serves in its place", "Haupt-TSE des Pools; eine Ersatz-TSE ist im Dienst"
)
STANDBY_SERVES = Text("Standby of the pool, serves", "Ersatz-TSE des Pools, im Dienst")
STANDBY_WAITS = Text(
    "Standby of the pool, steps in when the primary fails",
    "Ersatz-TSE des Pools, springt ein, wenn die Haupt-TSE ausfällt",
)
CLIENTS_MANY = Text(
    "Only {count} more tills can be registered", "Nur noch {count} weitere Kassen können angemeldet werden"
)
FLASH_WORN = Text("The flash memory is worn", "Der Flash-Speicher ist verschlissen")
NO_LOGIN = Text(
    "The gateway no longer does self test and time by itself, for its TimeAdmin PIN is probably wrong",
    "Das Gateway macht Selbsttest und Uhrzeit nicht mehr selbst, denn seine TimeAdmin-PIN stimmt wohl nicht",
)
PIN_TRIES = Text("{name}: tries until it is blocked: {count}", "{name}: Versuche bis zur Sperre: {count}")
PIN_BLOCKED = Text("{name}: blocked", "{name}: gesperrt")
PIN_NAMES = {
    PinOwner.PUK: Text("PUK", "PUK"),
    PinOwner.ADMIN: Text("Admin PIN", "Admin-PIN"),
    PinOwner.TIME_ADMIN: Text("TimeAdmin PIN", "TimeAdmin-PIN"),
    PinOwner.LOGGER: Text("Logger PIN", "Logger-PIN"),
    PinOwner.TIME_ADMIN_PUK: Text("PUK of the TimeAdmin", "PUK des TimeAdmin"),
    PinOwner.LOGGER_PUK: Text("PUK of the Logger", "PUK des Loggers"),
}
USER_NAMES = {
    PinOwner.ADMIN: Text("Admin", "Admin"),
    PinOwner.TIME_ADMIN: Text("TimeAdmin", "TimeAdmin"),
    PinOwner.LOGGER: Text("Logger", "Logger"),
}
PUK_PAUSED = Text(
    "After a wrong PUK the TSE takes none of the {name} for {duration}: wait, then use the right one.",
    "Nach einer falschen PUK nimmt die TSE {duration} lang keine von {name}: warten, dann die richtige verwenden.",
)
ARCHIVE_DAMAGED = Text(
    "An error was found in the archive: leave it as it is and call whoever looks after it.",
    "Im Archiv wurde ein Fehler gefunden: das Archiv nicht ändern, den Betreuer rufen.",
)
ARCHIVE_OLD = Text(
    'The archive has not been complete for {duration}; "State of the archive" tells why.',
    "Das Archiv ist seit {duration:dative} nicht mehr vollständig; warum, steht unter „Stand des Archivs“.",
)

# ---- help, connection, outages, problems, login -----------------------------

HELP = Text("Help for every state", "Hilfe zu jedem Zustand")
HELP_INTRO = Text("What the TSE reports, and what to do then.", "Was die TSE meldet, und was dann zu tun ist.")
BACK = Text("Back to the state", "Zurück zum Zustand")
CONNECTION = Text("Connection for the POS", "Verbindung für die Kasse")
CONNECTION_INTRO = Text(
    "These three values go into the POS software.", "Diese drei Werte kommen in die Kassensoftware."
)
ADDRESS = Text("Address", "Adresse")
PORT = Text("Port", "Port")
TILLS = Text("Tills ({count})", "Kassen ({count})")
CLIENT = Text("Client id", "Kassen-ID")
TOKEN = Text("Token", "Token")
TOKENS = Text("Tokens", "Token")
ROLE = Text("Role", "Rolle")
LAST_USE = Text("Last use", "Zuletzt benutzt")
DIAGNOSIS = Text("Which layer is it?", "Welche Schicht ist es?")
ONLY_FOR, ENDS = Text("Only for", "Nur für"), Text("Last day", "Letzter Tag")
OLDER = Text("One before it counts", "Ein älteres gilt")
UNTIL = Text("until", "bis")
THIS_MACHINE = Text("this machine", "dieser Rechner")
DOES = Text("Does", "Tut")
LAST_RECEIPT = Text("Last receipt", "Letzter Beleg")
TILL_HOLDS = Text("has held the TSE for {duration}", "belegt die TSE seit {duration:dative}")
TILL_READS = Text("has read for {duration}", "liest seit {duration:dative}")
TILL_WAITS = Text("waits at place {place} for {duration}", "wartet an Platz {place} seit {duration:dative}")
TILL_IDLE = Text("last seen {duration} ago", "zuletzt vor {duration:dative}")
API_TOKEN = Text("apiToken", "apiToken")
TOKEN_HIDDEN = Text("after login", "erst nach der Anmeldung")
TOKEN_KEPT = Text("for operators", "nur für Betreiber")
TOKEN_SHOW = Text("Show", "Anzeigen")
OUTAGES = Text("Outages", "Ausfälle")
NO_OUTAGES = Text("No outage is recorded.", "Kein Ausfall aufgezeichnet.")
ONE_OUTAGE = Text(
    "{count} outage in the last 365 days, {duration}", "{count} Ausfall in den letzten 365 Tagen, {duration}"
)
SOME_OUTAGES = Text(
    "{count} outages in the last 365 days, {duration} in all",
    "{count} Ausfälle in den letzten 365 Tagen, zusammen {duration}",
)
LASTS = Text("lasts", "dauert an")
REFUSED = Text("{count} requests refused", "{count} Anfragen abgewiesen")
GATEWAY = Text("Gateway", "Gateway")
OUTAGE_LIST = Text("List to print", "Liste zum Drucken")
OUTAGE_TABLE = Text("Table (CSV)", "Tabelle (CSV)")
AUDIT = Text("Acts of operators (CSV)", "Handlungen der Betreiber (CSV)")
PROBLEMS = Text("Recent warnings and errors", "Letzte Warnungen und Fehler")
NO_PROBLEMS = Text("Nothing since the start.", "Seit dem Start nichts.")
TIMES = Text("{count} times, last ", "{count}-mal, zuletzt ")
LOGIN = Text("Log in", "Anmelden")
LOGIN_INTRO = Text(
    "With the apiToken or another token you see fill levels, due dates and outages, and manage the TSEs as its role "
    "allows.",
    "Mit dem apiToken oder einem anderen Token sehen Sie Füllstände, Fristen und Ausfälle und verwalten die TSEs, "
    "soweit seine Rolle es erlaubt.",
)
LOGIN_REFUSED = Text(
    "That was not the apiToken. It is in session.txt in the gateway's state directory.",
    "Das war nicht der apiToken. Er steht in session.txt im Zustandsverzeichnis des Gateways.",
)
LOGIN_FORBIDDEN = Text(
    "This token does not open the page: it is for tills, or counts only with its client certificate.",
    "Dieses Token öffnet die Seite nicht: es ist für Kassen, oder gilt nur mit seinem Client-Zertifikat.",
)
LOGOUT = Text("Log out", "Abmelden")
