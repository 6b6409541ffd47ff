"""What should be looked at while a TSE still signs; the same limits as the alerts in compose/monitoring."""

from collections.abc import Iterator

from gateway.server.status_page.snapshot import Tse
from gateway.server.status_page.text import Words
from gateway.tse.commands import HealthReply
from gateway.tse.info import TseInfo

SELF_TEST_SOON = 2 * 3600.0
CERTIFICATE_SOON = 180 * 86_400.0
FEW_SIGNATURES = 0.10
STORE_FILLING = 0.80
MANY_CLIENTS = 0.90
ARCHIVE_OLD = 26 * 3600.0
_FEW_ERASES = 10  # per cent
_FEW_TRIES = 3


def notices(tse: Tse, words: Words, now: float) -> list[str]:
    """In words; none if all is well, or if nobody knows."""
    found = [words.archive_bad] if tse.archive is not None and tse.archive.verdict == "error" else []
    if tse.archive_age is not None and tse.archive_age > ARCHIVE_OLD:
        found.append(words.archive_old.format(words.length(tse.archive_age)))
    if tse.info is None:
        return found
    found += [*_of_info(tse.info, tse.age, words, now), *_of_health(tse.health, words)]
    found += [words.held_back] if tse.held_back else []
    names = {0: "puk", 1: "admin", 2: "time_admin"}
    tries = [(user, left) for user, left in sorted(tse.pin_tries.items()) if user in names and left < _FEW_TRIES]
    return found + [words.pin_tries.format(words.pin_names[names[user]], left) for user, left in tries]


def _of_info(info: TseInfo, age: float, words: Words, now: float) -> Iterator[str]:
    left = info.certificate_expires - now
    if 0 < left < CERTIFICATE_SOON:
        yield words.certificate_soon.format(words.length(left))
    due = info.self_test_due_seconds - age
    if info.self_test_passed and due < SELF_TEST_SOON:
        yield words.self_test_soon.format(words.countdown(max(due, 0)))
    if info.max_signatures and info.remaining_signatures < FEW_SIGNATURES * info.max_signatures:
        yield words.signatures_few.format(words.number(info.remaining_signatures))
    if info.capacity_blocks and info.used_blocks > STORE_FILLING * info.capacity_blocks:
        yield words.store_filling.format(words.percent(info.used_blocks / info.capacity_blocks))
    if info.max_registered_clients and info.registered_clients > MANY_CLIENTS * info.max_registered_clients:
        yield words.clients_many.format(info.max_registered_clients - info.registered_clients)


def _of_health(health: HealthReply | None, words: Words) -> Iterator[str]:
    if health is not None and (health.needs_replacement or health.remaining_erases_percent < _FEW_ERASES):
        yield words.flash_worn
