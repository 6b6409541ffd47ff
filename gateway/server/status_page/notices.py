"""What needs attention while a TSE still signs, by the limits that the alerts and the doctor have too."""

from collections.abc import Iterator, Mapping

from gateway import limits
from gateway.i18n import remedies
from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.server.status_page import texts
from gateway.server.status_page.snapshot import TseSnapshot
from gateway.server.status_page.widgets import sentence
from gateway.tse.commands import HealthReply
from gateway.tse.info import TseInfo
from gateway.tse.pins import USERS, PinOwner
from gateway.tse.products import certification_ends


def notices(tse: TseSnapshot, locale: Locale, now: float) -> list[str]:
    """Return what needs attention and what helps, in sentences; nothing if all is well. `now` in Unix seconds."""
    found = [*_of_archive(tse, locale)]
    if tse.info is not None:
        found += [
            *_of_info(tse.info, tse.age, locale, now),
            *_of_flash(tse.health, locale),
            *_of_pins(tse.pin_tries, locale, no_login=tse.no_login),
        ]
    return found


def _of_archive(tse: TseSnapshot, locale: Locale) -> Iterator[str]:
    if tse.archive is not None and tse.archive.verdict == "error":
        yield locale.text(texts.ARCHIVE_DAMAGED)
    if tse.archive_age is not None and limits.ARCHIVE_AGE.warns(tse.archive_age):
        yield locale.text(texts.ARCHIVE_OLD, duration=locale.duration(tse.archive_age))


def _of_info(info: TseInfo, age: float, locale: Locale, now: float) -> Iterator[str]:
    left = info.certificate_expires - now
    if left > 0 and limits.CERTIFICATE_LEFT.warns(left):
        yield _notice(locale, texts.CERTIFICATE_ENDS, remedies.CERTIFICATE_ENDS, duration=locale.duration(left))
    ends = certification_ends(info.description)
    if ends is not None and limits.CERTIFICATE_LEFT.warns(left := ends - now):
        text = texts.CERTIFICATION_ENDS if left > 0 else texts.CERTIFICATION_ENDED
        yield _notice(locale, text, remedies.CERTIFICATION_ENDS, duration=locale.duration(max(left, 0)))
    for owner in USERS:
        if (pause := info.puk_blocked_seconds(owner.user) - age) > 0:
            name = locale.text(texts.USER_NAMES[owner])
            yield locale.text(texts.PUK_PAUSED, name=name, duration=locale.countdown(pause))
    due = info.self_test_due_seconds - age
    if info.self_test_passed and limits.SELF_TEST_DUE.warns(due):
        yield _notice(locale, texts.SELF_TEST_DUE, remedies.SELF_TEST_DUE, duration=locale.countdown(max(due, 0)))
    if info.max_signatures and limits.SIGNATURES_LEFT.warns(info.remaining_signatures / info.max_signatures):
        count = locale.number(info.remaining_signatures)
        yield _notice(locale, texts.SIGNATURES_END, remedies.SIGNATURES_END, count=count)
    if info.capacity_blocks and limits.STORE_USED.warns(used := info.used_blocks / info.capacity_blocks):
        yield _notice(locale, texts.STORE_FILLS, remedies.STORE_FILLS, percent=locale.percent(used))
    clients, most = info.registered_clients, info.max_registered_clients
    if most and limits.CLIENTS_REGISTERED.warns(clients / most):
        yield _notice(locale, texts.CLIENTS_MANY, remedies.CLIENTS_MANY, count=most - clients)


def _of_flash(health: HealthReply | None, locale: Locale) -> Iterator[str]:
    if health is None:
        return
    if health.needs_replacement or limits.FLASH_ERASES_LEFT.warns(health.remaining_erases_percent / 100):
        yield _notice(locale, texts.FLASH_WORN, remedies.FLASH_WORN)


def _of_pins(tries: Mapping[PinOwner, int], locale: Locale, *, no_login: bool) -> Iterator[str]:
    if no_login:
        yield _notice(locale, texts.NO_LOGIN, remedies.NO_LOGIN)
    for owner in PinOwner:
        left = tries.get(owner)
        if left is None or not limits.PIN_TRIES_LEFT.warns(left):
            continue
        name = locale.text(texts.PIN_NAMES[owner])
        if left:
            yield _notice(locale, texts.PIN_TRIES, remedies.PIN_TRIES_FEW, name=name, count=left)
        else:
            yield _notice(locale, texts.PIN_BLOCKED, remedies.PIN_BLOCKED, name=name)


def _notice(locale: Locale, fact: Text, remedy: Text, **values: object) -> str:
    return f"{locale.text(fact, **values)}. {sentence(locale.text(remedy))}"
