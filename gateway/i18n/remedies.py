"""What is wrong with a TSE and what helps, once for the status page, the doctor, the driver and the outage report.

Texts are clauses: they begin with a small letter (in German unless it is a noun) and end without a full stop.
"""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.i18n.text import Language, Text


class KnownProblem(NamedTuple):
    """What is wrong, and what helps."""

    text: Text
    remedy: Text


_UNPLUG_AND_PLUG_IN = Text(
    "unplug the TSE, wait ten seconds, plug it in again. If that does not help: another USB port, then another TSE",
    "die TSE abziehen, zehn Sekunden warten, einstecken. Hilft das nicht: eine andere Buchse, dann eine andere TSE",
)
_PLUG_IN = Text(
    "plug the TSE in, into another USB port if need be and without a hub; it is recognised by itself. In a container "
    "pass /dev and /sys in, in a virtual machine pass the USB device through, over the network attach it (usbip, UTN)",
    "die TSE einstecken, notfalls in eine andere Buchse und ohne Hub; sie wird von selbst erkannt. In einen Container "
    "/dev und /sys durchreichen, in eine virtuelle Maschine das USB-Gerät, über das Netz es verbinden (usbip, UTN)",
)

# Why a TSE does not sign, by the reasons of `gateway.fleet.status.readiness`.
NOT_SIGNING: Mapping[str, KnownProblem] = {
    "unplugged": KnownProblem(
        Text("the TSE was unplugged", "die TSE wurde abgezogen"),
        Text(
            "plug the TSE in again, into any USB port; it is recognised by itself",
            "die TSE wieder einstecken, auch in eine andere Buchse; sie wird von selbst erkannt",
        ),
    ),
    "device_gone": KnownProblem(
        Text("the TSE cannot be reached", "die TSE ist nicht erreichbar"),
        Text(
            "is it plugged in, does its light burn? Unplug it, wait ten seconds, plug it in; if that does not help: "
            "another USB port, without a hub",
            "steckt sie fest, leuchtet sie? Abziehen, zehn Sekunden warten, einstecken; hilft das nicht: eine andere "
            "Buchse, ohne Hub",
        ),
    ),
    "answer_late": KnownProblem(
        Text("the answer of the TSE is late", "die Antwort der TSE lässt auf sich warten"),
        Text(
            "wait a minute: the gateway opens it afresh if it does not answer. If that does not help, unplug it, wait "
            "ten seconds, plug it in again",
            "eine Minute warten: das Gateway öffnet sie neu, wenn sie nicht antwortet. Hilft das nicht, abziehen, zehn "
            "Sekunden warten, wieder einstecken",
        ),
    ),
    "device_timeout": KnownProblem(
        Text("the TSE does not answer", "die TSE antwortet nicht"),
        Text(
            "unplug it, wait ten seconds, plug it in again; the gateway finds it by itself",
            "abziehen, zehn Sekunden warten, wieder einstecken; das Gateway findet sie von selbst",
        ),
    ),
    "device_error": KnownProblem(Text("the TSE does not work", "die TSE arbeitet nicht"), _UNPLUG_AND_PLUG_IN),
    "response_missing": KnownProblem(
        Text("the TSE answered a different command", "die TSE hat auf einen anderen Befehl geantwortet"),
        Text(
            "the gateway is opening it again; if that takes more than a minute, unplug it and plug it in",
            "das Gateway öffnet sie gerade neu; dauert es länger als eine Minute, abziehen und einstecken",
        ),
    ),
    "power_cycle": KnownProblem(
        Text("the TSE lost power", "die TSE war ohne Strom"),
        Text(
            "the gateway is opening it again. If this happens often, check cable, USB port and power saving",
            "das Gateway öffnet sie gerade neu. Geschieht das öfter, Kabel, Buchse und Energiesparen prüfen",
        ),
    ),
    "protocol_error": KnownProblem(
        Text("the TSE gives unreadable answers", "die TSE antwortet unverständlich"),
        Text(
            "unplug it and plug it in. If it stays like this, the TSE is most likely broken",
            "abziehen und einstecken. Bleibt es so, ist die TSE wahrscheinlich defekt",
        ),
    ),
    "stopped": KnownProblem(
        Text("the gateway stops", "das Gateway wird beendet"),
        Text("the gateway is being stopped or restarted", "das Gateway wird beendet oder neu gestartet"),
    ),
    "decommissioned": KnownProblem(
        Text("the TSE is decommissioned", "die TSE ist außer Betrieb genommen"),
        Text(
            "this TSE will never sign again. Keep its export; it may be unplugged. A new TSE takes its place by "
            "`tse-gateway swap`",
            "diese TSE signiert nie wieder. Ihren Export aufbewahren; sie darf abgezogen werden. Eine neue TSE ersetzt "
            "sie mit `tse-gateway swap`",
        ),
    ),
    "not_set_up": KnownProblem(
        Text("the TSE is not set up yet", "die TSE ist noch nicht eingerichtet"),
        Text(
            "set it up: on the status page after login, with the POS software, with `tse-gateway setup`, or by the "
            "REST API",
            "einrichten: auf der Statusseite nach der Anmeldung, mit der Kassensoftware, mit `tse-gateway setup` oder "
            "über die REST-API",
        ),
    ),
    "certificate_expired": KnownProblem(
        Text("the certificate of the TSE has expired", "das Zertifikat der TSE ist abgelaufen"),
        Text(
            "this TSE must not be used any more. Move the tills to a new one (`tse-gateway swap`), export the store "
            "and keep it",
            "diese TSE darf nicht mehr benutzt werden. Kassen auf eine neue umstellen (`tse-gateway swap`), den "
            "Speicher exportieren und aufbewahren",
        ),
    ),
    "no_signatures_left": KnownProblem(
        Text("the TSE has made all its signatures", "die TSE hat alle ihre Signaturen erzeugt"),
        Text(
            "this TSE is used up. Move the tills to a new one (`tse-gateway swap`), export the store and keep it",
            "diese TSE ist verbraucht. Kassen auf eine neue umstellen (`tse-gateway swap`), den Speicher exportieren "
            "und aufbewahren",
        ),
    ),
    "no_self_test": KnownProblem(
        Text("the TSE needs its self test", "der Selbsttest der TSE steht aus"),
        Text(
            "open a till, which runs it in up to a minute, or run `tse-gateway selftest`. With the TimeAdmin PIN "
            "(GATEWAY_TIME_ADMIN_PIN_FILE) the gateway does so by itself. If it fails again and again, replace the TSE",
            "eine Kasse öffnen, die ihn in bis zu einer Minute ausführt, oder `tse-gateway selftest` aufrufen. Mit der "
            "TimeAdmin-PIN (GATEWAY_TIME_ADMIN_PIN_FILE) macht es das Gateway selbst. Schlägt er immer wieder fehl, "
            "die TSE ersetzen",
        ),
    ),
    "store_full": KnownProblem(
        Text("the store of the TSE is full", "der Speicher der TSE ist voll"),
        Text(
            "export the store, verify and archive the export, then delete the stored data of the TSE",
            "den Speicher exportieren, den Export prüfen und archivieren, dann die gespeicherten Daten der TSE löschen",
        ),
    ),
    "signing_off": KnownProblem(
        Text("signing is switched off (CTSS)", "das Signieren ist abgeschaltet (CTSS)"),
        Text(
            "switch it on again with the POS software, or call whoever looks after that",
            "mit der Kassensoftware wieder einschalten, oder deren Betreuer rufen",
        ),
    ),
    "no_time": KnownProblem(
        Text("the TSE needs the time", "die TSE braucht die Uhrzeit"),
        Text(
            "open a till, which sets it, or run `tse-gateway time`. With the TimeAdmin PIN "
            "(GATEWAY_TIME_ADMIN_PIN_FILE) the gateway does so by itself",
            "eine Kasse öffnen, die sie stellt, oder `tse-gateway time` aufrufen. Mit der TimeAdmin-PIN "
            "(GATEWAY_TIME_ADMIN_PIN_FILE) macht es das Gateway selbst",
        ),
    ),
    "absent": KnownProblem(
        Text("the TSE is missing since the gateway was started", "die TSE fehlt seit dem Start des Gateways"),
        Text(
            "plug it in; it was there before the last start. If it is gone for good: `tse-gateway retire`",
            "einstecken; vor dem letzten Start war sie da. Ist sie endgültig weg: `tse-gateway retire`",
        ),
    ),
}

# Why a disk, volume or reader cannot be used, by the results of `gateway.driver.usb.probe`.
NOT_USABLE: Mapping[str, KnownProblem] = {
    "no_medium": KnownProblem(
        Text("the reader at {place} is empty", "das Lesegerät an {place} ist leer"),
        Text("put the TSE in", "die TSE einlegen"),
    ),
    "absent": KnownProblem(
        Text("nothing can be reached at {place}", "an {place} ist nichts zu erreichen"),
        Text(
            "plug the TSE in, or correct GATEWAY_DEVICES; in a container, pass /dev (or the volume) in",
            "die TSE einstecken oder GATEWAY_DEVICES berichtigen; in Container /dev (oder das Volume) durchreichen",
        ),
    ),
    "no_permission": KnownProblem(
        Text(
            "{place} may not be read and written by this user", "{place} darf dieser Benutzer nicht lesen und schreiben"
        ),
        Text(
            "if it is a TSE, install the udev rules and run as the gateway's user, in its group; in a container, allow "
            "the device in the device cgroup too",
            "ist es eine TSE, die udev-Regeln installieren und als Benutzer des Gateways laufen, in dessen Gruppe; im "
            "Container auch das Gerät in der Device-Cgroup erlauben",
        ),
    ),
    "read_only": KnownProblem(
        Text("{place} is read-only", "{place} ist schreibgeschützt"),
        Text(
            "mount the volume writable, or release the card's write protection",
            "das Volume beschreibbar einhängen, oder den Schreibschutz der Karte lösen",
        ),
    ),
    "in_use": KnownProblem(
        Text("another process uses {place}", "ein anderer Prozess benutzt {place}"),
        Text(
            "end the other program (`fuser -v {place}`), or unmount the volume, or name its mount point in "
            "GATEWAY_DEVICES; if it is a gateway, set its GATEWAY_STATE_DIR",
            "das andere Programm beenden (`fuser -v {place}`) oder das Volume aushängen oder den Einhängepunkt in "
            "GATEWAY_DEVICES nennen; ist es ein Gateway, dessen GATEWAY_STATE_DIR setzen",
        ),
    ),
    "damaged": KnownProblem(
        Text("the TSE at {place} cannot be read: {reason}", "die TSE an {place} ist nicht lesbar: {reason}"),
        _UNPLUG_AND_PLUG_IN,
    ),
    "hangs": KnownProblem(
        Text("the kernel does not return from reading {place}", "der Kern kehrt vom Lesen von {place} nicht zurück"),
        _UNPLUG_AND_PLUG_IN,
    ),
}

NO_TSE = KnownProblem(Text("no TSE was found", "keine TSE gefunden"), _PLUG_IN)

# What is wrong with the machine, for doctor and notifications.
NOT_WRITABLE = KnownProblem(
    Text("{directory} cannot be written to: {reason}", "{directory} ist nicht beschreibbar: {reason}"),
    Text(
        "free space, mount it writable, and give it to the gateway's user: without it no receipt is signed exactly "
        "once and no outage is noted",
        "Platz schaffen, beschreibbar einhängen, dem Benutzer des Gateways geben: sonst wird kein Beleg genau einmal "
        "signiert und kein Ausfall vermerkt",
    ),
)
DISK_FREE = KnownProblem(
    Text("{free} MiB free in {directory}", "{free} MiB frei in {directory}"),
    Text("free space, or move the state directory", "Platz schaffen, oder das Zustandsverzeichnis verlegen"),
)
_KEEP_THE_CLOCK = Text(
    "let chrony or systemd-timesyncd keep the clock, and open UDP port 123 to the servers of GATEWAY_NTP_SERVERS",
    "die Uhr von chrony oder systemd-timesyncd stellen lassen, UDP-Port 123 zu GATEWAY_NTP_SERVERS öffnen",
)
CLOCK_NOT_ASKED = KnownProblem(
    Text(
        "the kernel does not say that its clock is right, and no time server is set",
        "der Kern sagt nicht, dass seine Uhr stimmt, und kein Zeitserver ist genannt",
    ),
    _KEEP_THE_CLOCK,
)
CLOCK_NOT_ANSWERED = KnownProblem(
    Text(
        "the kernel does not say that its clock is right, and the time servers give no good answer",
        "der Kern sagt nicht, dass seine Uhr stimmt, und die Zeitserver geben keine gute Antwort",
    ),
    _KEEP_THE_CLOCK,
)
CLOCK_OFF = KnownProblem(
    Text("the clock is {offset} s off", "die Uhr geht um {offset} s falsch"),
    _KEEP_THE_CLOCK,
)
FOUND_AHEAD = KnownProblem(
    Text(
        "on {day} the TSE held transactions that the gateway does not know",
        "am {day} enthielt die TSE Transaktionen, die das Gateway nicht kennt",
    ),
    Text(
        "it was used elsewhere, or the state directory is an older backup: then no POS may repeat requests from after "
        "it",
        "sie war woanders in Benutzung, oder das Zustandsverzeichnis ist eine ältere Sicherung: dann darf keine Kasse "
        "Anfragen von danach wiederholen",
    ),
)

# What should be done while a TSE still signs: limits are in `gateway.limits`.
CERTIFICATE_ENDS = Text(
    "order a new TSE now: it must be installed and reported to the tax office (`tse-gateway swap`)",
    "jetzt eine neue TSE bestellen: sie ist einzubauen und dem Finanzamt zu melden (`tse-gateway swap`)",
)
CERTIFICATION_ENDS = Text(
    "ask the maker of the POS whether this product may be used any longer, and plan a new TSE (`tse-gateway swap`)",
    "den Kassenhersteller fragen, ob dieses Produkt weiter benutzt werden darf, und eine neue TSE einplanen "
    "(`tse-gateway swap`)",
)
SELF_TEST_DUE = Text(
    "run it when no till waits (`tse-gateway selftest`), or a till waits for it for up to a minute; with the TimeAdmin "
    "PIN the gateway runs it at night",
    "ausführen, wenn keine Kasse wartet (`tse-gateway selftest`), sonst wartet eine Kasse bis zu einer Minute darauf; "
    "mit der TimeAdmin-PIN macht es das Gateway nachts",
)
SIGNATURES_END = Text(
    "order a new TSE; `tse-gateway swap` puts it into service",
    "eine neue TSE bestellen; `tse-gateway swap` wechselt sie",
)
STORE_FILLS = Text(
    "export, verify and archive everything, then delete the stored data of the TSE",
    "alles exportieren, prüfen und archivieren, dann die gespeicherten Daten der TSE löschen",
)
STANDBY_LACKS_CLIENTS = Text("`tse-gateway pool register`", "`tse-gateway pool register`")
STANDBY_SERVES = Text(
    "mend the primary, then `tse-gateway pool use`; the next night goes back by itself",
    "die Haupt-TSE in Ordnung bringen, dann `tse-gateway pool use`; die nächste Nacht geht von selbst zurück",
)
CLIENTS_MANY = Text(
    "deregister tills that are gone (`tse-gateway clients`), or use a second TSE",
    "ausgeschiedene Kassen abmelden (`tse-gateway clients`), oder eine zweite TSE verwenden",
)
FLASH_WORN = Text(
    "export everything now and replace the TSE (`tse-gateway swap`)",
    "jetzt alles exportieren und die TSE ersetzen (`tse-gateway swap`)",
)
PIN_TRIES_FEW = Text(
    "find the right PIN before anybody tries again: which till or setting has the wrong one? A right login restores "
    "all tries",
    "erst die richtige PIN finden: welche Kasse oder Einstellung hat die falsche? Eine richtige Anmeldung stellt alle "
    "Versuche wieder her",
)
PIN_BLOCKED = Text(
    "set a new PIN with the PUK: `tse-gateway pin unblock`. If the PUK is blocked too, which can happen "
    "with firmware 1.x only, the TSE must be replaced",
    "mit der PUK eine neue PIN setzen: `tse-gateway pin unblock`. Ist auch die PUK gesperrt, was nur mit Firmware 1.x "
    "vorkommt, die TSE ersetzen",
)
NO_LOGIN = Text(
    "correct GATEWAY_TIME_ADMIN_PIN_FILE, then remove the note in tses/ of the state directory; the log has the reason",
    "GATEWAY_TIME_ADMIN_PIN_FILE berichtigen, dann den Vermerk in tses/ des Zustandsverzeichnisses entfernen; der "
    "Grund steht im Log",
)

_GATEWAY_DOWN: Mapping[str, Text] = {
    "gateway_stopped": Text("the gateway was stopped", "das Gateway war beendet"),
    "gateway_crashed": Text(
        "the gateway did not run (crash or power cut)", "das Gateway lief nicht (Absturz oder Stromausfall)"
    ),
}
_STANDBY_SERVES = Text("no outage: TSE {standby} served in its place", "kein Ausfall: TSE {standby} sprang für sie ein")
REASONS: Mapping[str, Text] = {
    **{name: problem.text for name, problem in NOT_SIGNING.items()},
    **_GATEWAY_DOWN,
    "standby_serves": _STANDBY_SERVES,
}


def reason_text(reason: str, language: Language, standby: str = "") -> str:
    """Return a reason for an outage in words; an unknown one is returned as it is. `standby`: the TSE that served."""
    return REASONS[reason].in_language(language, standby=standby) if reason in REASONS else reason
