"""The layers of one TSE, by what the REST API tells of it: info, self test, time, PINs, clients, certificate, store."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from gateway import limits
from gateway.checks import (
    CheckResult,
    CheckStatus,
    Layer,
    day,
    decimal,
    fail,
    failed,
    graded,
    measured,
    ok,
    unknown,
    warn,
)
from gateway.i18n import remedies
from gateway.i18n.text import Text

_TseAnswer = Mapping[str, Any]  # of GET /api/v1/tses/{serial}, with that of its /health as "health"

_LATER = Text("after the set-up", "nach der Einrichtung")
_OUT_OF_SERVICE = Text("the TSE is out of service", "die TSE ist außer Betrieb")
_NOT_WORKING = Text("the TSE does not work", "die TSE funktioniert nicht")
_NOT_USABLE = Text("the TSE cannot be used: {reason}", "die TSE ist nicht benutzbar: {reason}")
_WORN_OUT = Text("the flash memory of the TSE is worn out", "der Flash-Speicher der TSE ist verschlissen")
_WEARING = Text(
    "{erases} % of the erase cycles of the flash memory are left", "noch {erases} % der Löschzyklen des Flash-Speichers"
)
_IN_SERVICE = Text("in service, firmware {firmware}, at {place}", "in Betrieb, Firmware {firmware}, an {place}")
_TRANSLATED = Text(
    "in service, firmware {firmware}, at {place}; commands of tills with older software are translated, and what that "
    "means for the certification, the maker of the POS must say",
    "in Betrieb, Firmware {firmware}, an {place}; Befehle von Kassen mit älterer Software werden übersetzt, und was "
    "das für die Zertifizierung heißt, muss der Kassenhersteller sagen",
)
_PUK_PAUSED = (
    Text("the TSE takes no PUK of {user} for {left} s", "die TSE nimmt {left} s lang keine PUK von {user}"),
    Text(
        "wait, then use the right PUK: each wrong one makes the pause longer",
        "warten, dann die richtige PUK verwenden: jede falsche verlängert die Pause",
    ),
)
_SELF_TEST_DUE = Text(
    "the next self test is due in {minutes} min", "der nächste Selbsttest ist in {minutes} min fällig"
)
_SELF_TEST_PASSED = Text("passed, next in {hours} h", "bestanden, nächster in {hours} h")
_TIME_SET = Text("the TSE has the time", "die TSE hat die Zeit")
_PIN_BLOCKED = Text("the {user} PIN or PUK is blocked", "{user}: PIN oder PUK ist gesperrt")
_PIN_TRIES = Text("{left} try left for the {user} PIN", "noch {left} Versuch(e) für die PIN {user}")
_NO_LOGIN = Text("the gateway does not log in: {why}", "das Gateway meldet sich nicht an: {why}")
_INITIAL_PIN = (
    Text("a PIN or the PUK is still the initial one", "eine PIN oder die PUK ist noch die erste"),
    Text("change it: `tse-gateway pin`", "ändern: `tse-gateway pin`"),
)
_PINS_OK = Text("no wrong PIN is known of", "von keiner falschen PIN ist bekannt")
_PINS_OK_LOGGED_IN = Text(
    "no wrong PIN is known of; {user} is logged in", "von keiner falschen PIN ist bekannt; {user} ist angemeldet"
)
_NO_CLIENT = (
    Text("no client is registered", "keine Kasse ist angemeldet"),
    Text(
        "register the tills with the POS software, or with `tse-gateway clients register NAME`",
        "die Kassen mit der Kassensoftware anmelden, oder mit `tse-gateway clients register NAME`",
    ),
)
_CLIENTS = Text("{count} of {most} clients are registered", "{count} von {most} Kassen sind angemeldet")
_CERTIFICATE = Text("valid until {until} ({days} days)", "gültig bis {until} ({days} Tage)")
_CERTIFICATE_AND_PRODUCT = Text(
    "valid until {until} ({days} days); the product is certified until {product}",
    "gültig bis {until} ({days} Tage); das Produkt ist zertifiziert bis {product}",
)
_STORE = Text(
    "{used} % of the store used, {left} % of the signatures left",
    "{used} % des Speichers belegt, {left} % der Signaturen übrig",
)


def examine(tse: _TseAnswer) -> list[CheckResult]:
    """Return the results of all layers; when the first fails, most of the others are unknown."""
    serial = str(tse["serial"])
    checks: dict[Layer, Callable[[_TseAnswer, str], CheckResult]] = {
        Layer.SELF_TEST: _self_test,
        Layer.TIME: _time,
        Layer.PINS: _pins,
        Layer.CLIENTS: _clients,
        Layer.CERTIFICATE: _certificate,
        Layer.STORE: _store,
    }
    why = None
    if tse["state"] == "failed":
        why = _NOT_WORKING
    elif tse["lifecycle"] == "decommissioned":
        why = _OUT_OF_SERVICE
    elif tse["lifecycle"] != "initialized":
        why = _LATER
    always = {Layer.CERTIFICATE, Layer.PINS} if why is not None else set()
    results = [
        check(tse, serial) if why is None or layer in always else unknown(layer, why, serial)
        for layer, check in checks.items()
    ]
    return [_info(tse, serial), *results]


def _info(tse: _TseAnswer, serial: str) -> CheckResult:
    if tse["state"] == "failed":
        remedy = remedies.NOT_SIGNING["device_error"].remedy
        return fail(Layer.INFO, _NOT_USABLE, remedy, serial, reason=tse["reason"] or "?")
    if tse["lifecycle"] == "decommissioned":
        return failed(Layer.INFO, remedies.NOT_SIGNING["decommissioned"], serial)
    if tse["lifecycle"] != "initialized":
        return failed(Layer.INFO, remedies.NOT_SIGNING["not_set_up"], serial)
    return _condition(tse, serial)


def _condition(tse: _TseAnswer, serial: str) -> CheckResult:
    health = tse.get("health") or {}
    if health.get("needs_replacement"):
        return fail(Layer.INFO, _WORN_OUT, remedies.FLASH_WORN, serial)
    erases = health.get("remaining_erases_percent", 100)
    if limits.FLASH_ERASES_LEFT.warns(erases / 100):
        return warn(Layer.INFO, _WEARING, remedies.FLASH_WORN, serial, erases=erases)
    ahead = tse.get("found_ahead")
    if ahead and limits.FOUND_AHEAD_AGO.warns((datetime.now(UTC) - datetime.fromisoformat(str(ahead))).total_seconds()):
        return warn(Layer.INFO, *remedies.FOUND_AHEAD, serial, day=day(datetime.fromisoformat(str(ahead))))
    text = _TRANSLATED if tse.get("old_tills") else _IN_SERVICE
    return ok(Layer.INFO, text, serial, firmware=tse["software_version"], place=tse["place"])


def _self_test(tse: _TseAnswer, serial: str) -> CheckResult:
    if not tse["self_test_passed"]:
        return failed(Layer.SELF_TEST, remedies.NOT_SIGNING["no_self_test"], serial)
    due = int(tse["self_test_due_seconds"])
    if limits.SELF_TEST_DUE.warns(due):
        return warn(Layer.SELF_TEST, _SELF_TEST_DUE, remedies.SELF_TEST_DUE, serial, minutes=due // 60)
    return ok(Layer.SELF_TEST, _SELF_TEST_PASSED, serial, hours=due // 3600)


def _time(tse: _TseAnswer, serial: str) -> CheckResult:
    if tse["valid_time"]:
        return ok(Layer.TIME, _TIME_SET, serial)
    return failed(Layer.TIME, remedies.NOT_SIGNING["no_time"], serial)


def _pins(tse: _TseAnswer, serial: str) -> CheckResult:
    tries = dict(tse.get("pin_tries_left") or {})
    user, left = min(tries.items(), key=lambda item: int(item[1]), default=("", 3))
    if left == 0:
        return fail(Layer.PINS, _PIN_BLOCKED, remedies.PIN_BLOCKED, serial, user=user)
    if user:
        status = graded(left, limits.PIN_TRIES_LEFT)
        return measured(Layer.PINS, status, _PIN_TRIES, remedies.PIN_TRIES_FEW, serial, user=user, left=left)
    for paused, seconds in dict(tse.get("puk_blocked_seconds") or {}).items():
        return warn(Layer.PINS, *_PUK_PAUSED, serial, user=paused, left=seconds)
    if tse.get("login_objection"):
        return warn(Layer.PINS, _NO_LOGIN, remedies.NO_LOGIN, serial, why=tse["login_objection"])
    if tse["lifecycle"] == "initialized" and not tse["credentials_changed"]:
        return warn(Layer.PINS, *_INITIAL_PIN, serial)
    text = _PINS_OK_LOGGED_IN if tse.get("logged_in_user") else _PINS_OK
    return ok(Layer.PINS, text, serial, user=tse.get("logged_in_user"))


def _clients(tse: _TseAnswer, serial: str) -> CheckResult:
    count, most = int(tse["registered_clients"]), int(tse["max_registered_clients"])
    if not count:
        return fail(Layer.CLIENTS, *_NO_CLIENT, serial)
    status = graded(count / most, limits.CLIENTS_REGISTERED)
    return measured(Layer.CLIENTS, status, _CLIENTS, remedies.CLIENTS_MANY, serial, count=count, most=most)


def _certificate(tse: _TseAnswer, serial: str) -> CheckResult:
    if datetime.fromisoformat(str(tse["certificate_expires"])) <= datetime.now(UTC):
        return failed(Layer.CERTIFICATE, remedies.NOT_SIGNING["certificate_expired"], serial)
    until, days = day(datetime.fromisoformat(str(tse["certificate_expires"]))), int(tse["certificate_days_left"])
    status = graded(days * limits.DAY, limits.CERTIFICATE_LEFT)
    product = tse.get("product_certified_until")
    if status is not CheckStatus.OK or not product:
        remedy = remedies.CERTIFICATE_ENDS
        return measured(Layer.CERTIFICATE, status, _CERTIFICATE, remedy, serial, until=until, days=days)
    ends = date.fromisoformat(str(product))
    left = (ends - datetime.now(UTC).date()).days
    status, values = graded(left * limits.DAY, limits.CERTIFICATE_LEFT), {"until": until, "days": days}
    remedy = remedies.CERTIFICATION_ENDS
    return measured(Layer.CERTIFICATE, status, _CERTIFICATE_AND_PRODUCT, remedy, serial, **values, product=day(ends))


def _store(tse: _TseAnswer, serial: str) -> CheckResult:
    used, left = float(tse["store_used_percent"]), float(tse["signatures_left_percent"])
    values = {"used": decimal(f"{used:.1f}"), "left": decimal(f"{left:.1f}")}
    store, signatures = graded(used / 100, limits.STORE_USED), graded(left / 100, limits.SIGNATURES_LEFT)
    if signatures is CheckStatus.OK or store is CheckStatus.FAIL:
        return measured(Layer.STORE, store, _STORE, remedies.STORE_FILLS, serial, **values)
    return measured(Layer.STORE, signatures, _STORE, remedies.SIGNATURES_END, serial, **values)
