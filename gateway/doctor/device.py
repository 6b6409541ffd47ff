"""One TSE, by what the API knows of it: info, self test, time, PINs, clients, certificate, store."""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.doctor.findings import Finding, Layer, fail, ok, unknown, warn
from gateway.i18n.text import Text

Tse = Mapping[str, Any]

_SOON_CERTIFICATE = 90  # days: to order, to install, to report
_SOON_SELF_TEST = 2 * 3600
_NEARLY = 0.9
_STORE_WARN, _STORE_FAIL = 80.0, 95.0
_SIGNATURES_WARN, _SIGNATURES_FAIL = 10.0, 2.0

_LATER = Text("after the set-up", "nach der Einrichtung")
_OVER = Text("the TSE is out of service", "die TSE ist außer Betrieb")
_BELOW = Text("the TSE does not work", "die TSE funktioniert nicht")


def examine(tse: Tse) -> list[Finding]:
    """Its layers; where it fails at the first, nothing can be told of the others."""
    serial = str(tse["serial"])
    checks: dict[Layer, Callable[[Tse, str], Finding]] = {
        Layer.SELF_TEST: _self_test,
        Layer.TIME: _time,
        Layer.PINS: _pins,
        Layer.CLIENTS: _clients,
        Layer.CERTIFICATE: _certificate,
        Layer.STORE: _store,
    }
    why = None
    if tse["state"] == "failed":
        why = _BELOW
    elif tse["lifecycle"] == "decommissioned":
        why = _OVER
    elif tse["lifecycle"] != "initialized":
        why = _LATER
    always = {Layer.CERTIFICATE, Layer.PINS} if why is not None else set()
    found = [
        check(tse, serial) if why is None or layer in always else unknown(layer, why, serial)
        for layer, check in checks.items()
    ]
    return [_info(tse, serial), *found]


def _info(tse: Tse, serial: str) -> Finding:
    if tse["state"] == "failed":
        return fail(
            Layer.INFO,
            Text("the TSE cannot be used: {reason}", "die TSE ist nicht benutzbar: {reason}"),
            Text(
                "plug it out and in again, then try another socket; is it gone on purpose, this is no fault",
                "aus- und einstecken, dann eine andere Buchse versuchen; fehlt sie mit Absicht, ist das kein Fehler",
            ),
            serial,
            reason=tse["reason"] or "?",
        )
    if tse["lifecycle"] == "decommissioned":
        return fail(
            Layer.INFO,
            Text(
                "the TSE is decommissioned and never signs again",
                "die TSE ist außer Betrieb genommen und signiert nie wieder",
            ),
            Text(
                "keep its exports, and put a new TSE in (tse-gateway swap)",
                "ihre Exporte aufbewahren und eine neue TSE einsetzen (tse-gateway swap)",
            ),
            serial,
        )
    if tse["lifecycle"] != "initialized":
        return fail(
            Layer.INFO,
            Text("the TSE is not set up yet", "die TSE ist noch nicht eingerichtet"),
            Text(
                "set it up by the POS, or by `tse-gateway setup`",
                "mit der Kasse einrichten, oder mit `tse-gateway setup`",
            ),
            serial,
        )
    health = tse.get("health") or {}
    if health.get("needs_replacement"):
        return fail(
            Layer.INFO,
            Text("the flash memory of the TSE is worn out", "der Flash-Speicher der TSE ist verschlissen"),
            Text(
                "export everything and replace the TSE (tse-gateway swap)",
                "alles exportieren und die TSE ersetzen (tse-gateway swap)",
            ),
            serial,
        )
    return ok(
        Layer.INFO,
        Text("in service, firmware {firmware}, at {place}", "in Betrieb, Firmware {firmware}, an {place}"),
        serial,
        firmware=tse["software_version"],
        place=tse["place"],
    )


def _self_test(tse: Tse, serial: str) -> Finding:
    if not tse["self_test_passed"]:
        return fail(
            Layer.SELF_TEST,
            Text("the self test is missing or has failed", "der Selbsttest fehlt oder ist fehlgeschlagen"),
            Text(
                "run it: tse-gateway selftest. If that fails again and again, replace the TSE",
                "durchführen: tse-gateway selftest. Schlägt er immer wieder fehl, die TSE ersetzen",
            ),
            serial,
        )
    due = int(tse["self_test_due_seconds"])
    if due < _SOON_SELF_TEST:
        return warn(
            Layer.SELF_TEST,
            Text("the next self test is due in {minutes} min", "der nächste Selbsttest ist in {minutes} min fällig"),
            Text(
                "run it when no till waits: tse-gateway selftest; with the TimeAdmin PIN the gateway does so at night",
                "durchführen, wenn keine Kasse wartet: tse-gateway selftest; mit der TimeAdmin-PIN tut das Gateway es",
            ),
            serial,
            minutes=due // 60,
        )
    return ok(
        Layer.SELF_TEST,
        Text("passed, next in {hours} h", "bestanden, nächster in {hours} h"),
        serial,
        hours=due // 3600,
    )


def _time(tse: Tse, serial: str) -> Finding:
    if tse["valid_time"]:
        return ok(Layer.TIME, Text("the TSE has the time", "die TSE hat die Zeit"), serial)
    return fail(
        Layer.TIME,
        Text("the TSE has no valid time", "die TSE hat keine gültige Zeit"),
        Text(
            "set it: tse-gateway time; with GATEWAY_TIME_ADMIN_PIN_FILE the gateway keeps it",
            "stellen: tse-gateway time; mit GATEWAY_TIME_ADMIN_PIN_FILE hält das Gateway sie",
        ),
        serial,
    )


def _pins(tse: Tse, serial: str) -> Finding:
    tries = dict(tse.get("pin_tries_left") or {})
    user, left = min(tries.items(), key=lambda item: int(item[1]), default=("", 3))
    if left == 0:
        text = Text("the {user} PIN or PUK is blocked", "{user}: PIN oder PUK ist gesperrt")
        remedy = Text(
            "set a new PIN by the PUK: tse-gateway pin unblock. Is the PUK blocked too, the TSE must be replaced",
            "mit der PUK eine neue PIN setzen: tse-gateway pin unblock. Ist auch die PUK gesperrt, die TSE ersetzen",
        )
        return fail(Layer.PINS, text, remedy, serial, user=user)
    if user:
        text = Text("{left} try left for the {user} PIN", "noch {left} Versuch(e) für die PIN {user}")
        remedy = Text(
            "find the right PIN before anybody tries again: which till or setting has the wrong one? A right login "
            "restores all tries",
            "erst die richtige PIN finden: welche Kasse oder Einstellung hat die falsche? Eine richtige Anmeldung "
            "stellt alle Versuche wieder her",
        )
        return (fail if left == 1 else warn)(Layer.PINS, text, remedy, serial, user=user, left=left)
    if tse.get("login_objection"):
        text = Text("the gateway does not log in: {why}", "das Gateway meldet sich nicht an: {why}")
        remedy = Text(
            "correct GATEWAY_TIME_ADMIN_PIN_FILE, then remove the note in tses/ of the state directory",
            "GATEWAY_TIME_ADMIN_PIN_FILE berichtigen, dann den Vermerk in tses/ des Zustandsverzeichnisses entfernen",
        )
        return warn(Layer.PINS, text, remedy, serial, why=tse["login_objection"])
    if tse["lifecycle"] == "initialized" and not tse["credentials_changed"]:
        text = Text("a PIN or the PUK is still the initial one", "eine PIN oder die PUK ist noch die erste")
        return warn(Layer.PINS, text, Text("change it: tse-gateway pin", "ändern: tse-gateway pin"), serial)
    return ok(Layer.PINS, Text("no wrong PIN is known of", "von keiner falschen PIN ist bekannt"), serial)


def _clients(tse: Tse, serial: str) -> Finding:
    count, most = int(tse["registered_clients"]), int(tse["max_registered_clients"])
    values = {"count": count, "most": most}
    if not count:
        text = Text("no client is registered", "keine Kasse ist angemeldet")
        remedy = Text(
            "register the tills by the POS, or by `tse-gateway clients register NAME`",
            "die Kassen mit der Kassensoftware anmelden, oder mit `tse-gateway clients register NAME`",
        )
        return fail(Layer.CLIENTS, text, remedy, serial)
    text = Text("{count} of {most} clients are registered", "{count} von {most} Kassen sind angemeldet")
    if count >= _NEARLY * most:
        remedy = Text(
            "deregister those that are gone: tse-gateway clients", "ausgeschiedene abmelden: tse-gateway clients"
        )
        return warn(Layer.CLIENTS, text, remedy, serial, **values)
    return ok(Layer.CLIENTS, text, serial, **values)


def _certificate(tse: Tse, serial: str) -> Finding:
    until, days = str(tse["certificate_expires"])[:10], int(tse["certificate_days_left"])
    if days <= 0:
        text = Text("the certificate expired on {until}", "das Zertifikat ist seit {until} abgelaufen")
        remedy = Text("replace the TSE now: tse-gateway swap", "die TSE sofort ersetzen: tse-gateway swap")
        return fail(Layer.CERTIFICATE, text, remedy, serial, until=until)
    text = Text("valid until {until} ({days} days)", "gültig bis {until} ({days} Tage)")
    if days < _SOON_CERTIFICATE:
        remedy = Text(
            "order a new TSE now: it must be installed and reported to the tax office (tse-gateway swap)",
            "jetzt eine neue TSE bestellen: sie ist einzubauen und dem Finanzamt zu melden (tse-gateway swap)",
        )
        return warn(Layer.CERTIFICATE, text, remedy, serial, until=until, days=days)
    return ok(Layer.CERTIFICATE, text, serial, until=until, days=days)


def _store(tse: Tse, serial: str) -> Finding:
    used, left = float(tse["store_used_percent"]), float(tse["signatures_left_percent"])
    text = Text(
        "{used} % of the store used, {left} % of the signatures left",
        "{used} % des Speichers belegt, {left} % der Signaturen übrig",
    )
    remedy = Text(
        "export and verify everything, then delete stored data, or replace the TSE",
        "alles exportieren und prüfen, dann gespeicherte Daten löschen, oder die TSE ersetzen",
    )
    values = {"used": round(used, 1), "left": round(left, 1)}
    if used > _STORE_FAIL or left < _SIGNATURES_FAIL:
        return fail(Layer.STORE, text, remedy, serial, **values)
    if used > _STORE_WARN or left < _SIGNATURES_WARN:
        return warn(Layer.STORE, text, remedy, serial, **values)
    return ok(Layer.STORE, text, serial, **values)
