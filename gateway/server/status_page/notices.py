"""What needs attention while a TSE still signs, by the limits that the alerts and the doctor have too."""

from collections.abc import Iterator, Mapping

from gateway import limits
from gateway.fleet.pool import PoolRole
from gateway.i18n import remedies
from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.notifications.problem import OpenProblem
from gateway.server.status_page import texts
from gateway.server.status_page.snapshot import TseSnapshot
from gateway.server.status_page.widgets import sentence
from gateway.tse.commands import HealthReply
from gateway.tse.info import TseInfo
from gateway.tse.pins import USERS, PinOwner
from gateway.tse.products import certification_ends

ARCHIVE_OLD, FLASH_WORN = "archive_old", "flash_worn"


def notices(tse: TseSnapshot, locale: Locale, now: float) -> list[str]:
    """Return what needs attention and what helps, in sentences; nothing if all is well. `now` in Unix seconds."""
    return [problem.text for problem in problems(tse, locale, now)]


def problems(tse: TseSnapshot, locale: Locale, now: float) -> Iterator[OpenProblem]:
    """Yield the same as values, for the notifications."""
    found = _Problems(tse.serial, locale)
    yield from _of_archive(tse, found)
    yield from _of_pool(tse, found)
    if tse.info is not None:
        yield from _of_info(tse.info, tse.age, found, now)
        yield from _of_flash(tse.health, found)
        yield from _of_pins(tse.pin_tries, found, no_login=tse.no_login)


class _Problems:
    """Makes the problems of one TSE, in one language."""

    def __init__(self, serial: str, locale: Locale) -> None:
        self.locale = locale
        self._serial = serial

    def make(
        self,
        code: str,
        fact: Text,
        remedy: Text | None = None,
        *,
        about: str = "",
        serious: bool = False,
        **values: object,
    ) -> OpenProblem:
        """Return a problem; without a `remedy`, `fact` is whole sentences."""
        told = self.locale.text(fact, **values)
        if remedy is None:
            return OpenProblem(code, told, "", self._serial, about, serious)
        return OpenProblem(code, f"{told}.", sentence(self.locale.text(remedy)), self._serial, about, serious)


def _of_archive(tse: TseSnapshot, found: _Problems) -> Iterator[OpenProblem]:
    if tse.archive is not None and tse.archive.verdict == "error":
        yield found.make("archive_damaged", texts.ARCHIVE_DAMAGED, serious=True)
    if (age := tse.archive_age) is not None and limits.ARCHIVE_AGE.warns(age):
        serious = limits.ARCHIVE_AGE.is_critical(age)
        yield found.make(ARCHIVE_OLD, texts.ARCHIVE_OLD, serious=serious, duration=found.locale.duration(age))


def _of_pool(tse: TseSnapshot, found: _Problems) -> Iterator[OpenProblem]:
    if tse.pool is None or tse.pool.role is PoolRole.PRIMARY:
        return
    if tse.pool.serves:
        yield found.make("standby_serves", texts.STANDBY_HAS_STEPPED_IN, remedies.STANDBY_SERVES)
    if count := tse.pool.missing_clients:
        yield found.make("standby_unready", texts.STANDBY_LACKS_CLIENTS, remedies.STANDBY_LACKS_CLIENTS, count=count)


def _of_info(info: TseInfo, age: float, found: _Problems, now: float) -> Iterator[OpenProblem]:
    locale = found.locale
    left = info.certificate_expires - now
    if left > 0 and limits.CERTIFICATE_LEFT.warns(left):
        yield found.make(
            "certificate_ends",
            texts.CERTIFICATE_ENDS,
            remedies.CERTIFICATE_ENDS,
            serious=limits.CERTIFICATE_LEFT.is_critical(left),
            duration=locale.duration(left),
        )
    ends = certification_ends(info.description)
    if ends is not None and limits.CERTIFICATE_LEFT.warns(left := ends - now):
        yield found.make(
            "certification_ends",
            texts.CERTIFICATION_ENDS if left > 0 else texts.CERTIFICATION_ENDED,
            remedies.CERTIFICATION_ENDS,
            serious=limits.CERTIFICATE_LEFT.is_critical(left),
            duration=locale.duration(max(left, 0)),
        )
    for owner in USERS:
        if (pause := info.puk_blocked_seconds(owner.user) - age) > 0:
            name, duration = locale.text(texts.USER_NAMES[owner]), locale.countdown(pause)
            yield found.make("puk_paused", texts.PUK_PAUSED, about=owner.value, name=name, duration=duration)
    due = info.self_test_due_seconds - age
    if info.self_test_passed and limits.SELF_TEST_DUE.warns(due):
        duration = locale.countdown(max(due, 0))
        yield found.make("self_test_due", texts.SELF_TEST_DUE, remedies.SELF_TEST_DUE, duration=duration)
    yield from _of_fill_levels(info, found)


def _of_fill_levels(info: TseInfo, found: _Problems) -> Iterator[OpenProblem]:
    locale, remaining = found.locale, info.remaining_signatures
    if info.max_signatures and limits.SIGNATURES_LEFT.warns(left := remaining / info.max_signatures):
        yield found.make(
            "signatures_end",
            texts.SIGNATURES_END,
            remedies.SIGNATURES_END,
            serious=limits.SIGNATURES_LEFT.is_critical(left),
            count=locale.number(remaining),
        )
    if info.capacity_blocks and limits.STORE_USED.warns(used := info.used_blocks / info.capacity_blocks):
        yield found.make(
            "store_fills",
            texts.STORE_FILLS,
            remedies.STORE_FILLS,
            serious=limits.STORE_USED.is_critical(used),
            percent=locale.percent(used),
        )
    clients, most = info.registered_clients, info.max_registered_clients
    if most and limits.CLIENTS_REGISTERED.warns(clients / most):
        yield found.make("clients_many", texts.CLIENTS_MANY, remedies.CLIENTS_MANY, count=most - clients)


def _of_flash(health: HealthReply | None, found: _Problems) -> Iterator[OpenProblem]:
    if health is None:
        return
    if health.needs_replacement or limits.FLASH_ERASES_LEFT.warns(health.remaining_erases_percent / 100):
        serious = health.needs_replacement
        yield found.make(FLASH_WORN, texts.FLASH_WORN, remedies.FLASH_WORN, serious=serious)


def _of_pins(tries: Mapping[PinOwner, int], found: _Problems, *, no_login: bool) -> Iterator[OpenProblem]:
    if no_login:
        yield found.make("no_login", texts.NO_LOGIN, remedies.NO_LOGIN)
    for owner in PinOwner:
        left = tries.get(owner)
        if left is None or not limits.PIN_TRIES_LEFT.warns(left):
            continue
        name = found.locale.text(texts.PIN_NAMES[owner])
        if left:
            text, remedy = texts.PIN_TRIES, remedies.PIN_TRIES_FEW
            serious = limits.PIN_TRIES_LEFT.is_critical(left)
            yield found.make("pin_tries", text, remedy, about=owner.value, serious=serious, name=name, count=left)
        else:
            text, remedy = texts.PIN_BLOCKED, remedies.PIN_BLOCKED
            yield found.make("pin_tries", text, remedy, about=owner.value, serious=True, name=name)
