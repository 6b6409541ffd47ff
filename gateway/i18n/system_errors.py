"""What the operating system says of a failure, in German. It says it in English: the image has no other locale."""

import errno
import os
from collections.abc import Mapping

_REASONS: Mapping[int, str] = {
    errno.EPERM: "die Operation ist nicht erlaubt",
    errno.ENOENT: "Datei oder Verzeichnis nicht gefunden",
    errno.EIO: "Ein-/Ausgabefehler",
    errno.ENXIO: "kein solches Gerät",
    errno.EACCES: "keine Berechtigung",
    errno.EBUSY: "das Gerät oder die Datei ist belegt",
    errno.EEXIST: "die Datei gibt es schon",
    errno.EXDEV: "liegt auf einem anderen Dateisystem",
    errno.ENODEV: "das Gerät gibt es nicht mehr",
    errno.ENOTDIR: "ist kein Verzeichnis",
    errno.EISDIR: "ist ein Verzeichnis",
    errno.EINVAL: "ungültiges Argument",
    errno.EMFILE: "zu viele offene Dateien",
    errno.ENFILE: "zu viele offene Dateien im System",
    errno.EFBIG: "die Datei ist zu groß",
    errno.ENOSPC: "auf dem Datenträger ist kein Platz mehr",
    errno.EROFS: "das Dateisystem kann nur gelesen werden",
    errno.EPIPE: "die Verbindung ist unterbrochen",
    errno.ENAMETOOLONG: "der Dateiname ist zu lang",
    errno.ENOTEMPTY: "das Verzeichnis ist nicht leer",
    errno.ELOOP: "zu viele symbolische Links",
    errno.EADDRINUSE: "die Adresse ist schon in Benutzung",
    errno.EADDRNOTAVAIL: "diese Adresse hat der Rechner nicht",
    errno.ENETDOWN: "das Netz ist nicht in Betrieb",
    errno.ENETUNREACH: "das Netz ist nicht erreichbar",
    errno.ECONNABORTED: "die Verbindung wurde abgebrochen",
    errno.ECONNRESET: "die Gegenseite hat die Verbindung abgebrochen",
    errno.ETIMEDOUT: "die Zeit zum Verbinden ist abgelaufen",
    errno.ECONNREFUSED: "die Verbindung wurde abgelehnt",
    errno.EHOSTDOWN: "der Rechner ist nicht in Betrieb",
    errno.EHOSTUNREACH: "der Rechner ist nicht erreichbar",
    errno.ESTALE: "die Datei auf dem Netzlaufwerk gibt es nicht mehr",
    errno.EDQUOT: "das Kontingent an Speicherplatz ist aufgebraucht",
}
_GERMAN = {os.strerror(number): german for number, german in _REASONS.items()}


def in_german(reason: str, number: int | None = None) -> str:
    """Return a reason of the system in German: by its words, else by its number, else as it is."""
    return _GERMAN.get(reason) or _REASONS.get(number or 0, reason)
