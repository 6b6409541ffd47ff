"""The card of one TSE: what everybody may see, and what the administrator sees."""

from collections.abc import Sequence

from gateway import limits
from gateway.fleet.lock.tills import TillState, TillStatus
from gateway.fleet.pool import PoolRole
from gateway.i18n.locales import Locale
from gateway.i18n.remedies import NOT_SIGNING, reason_text
from gateway.i18n.text import Text
from gateway.server.status_page import svg, texts
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.notices import notices
from gateway.server.status_page.snapshot import StatusLevel, TseSnapshot
from gateway.server.status_page.widgets import copyable, date, date_and_time, filled, marked, sentence, short, table
from gateway.tse import products
from gateway.tse.fields import Generation
from gateway.tse.info import TseInfo
from gateway.tse.sectors import SECTOR

_SELF_TEST_EVERY = 25 * limits.HOUR  # seconds; the longest that TSE_INFO gives until the next one
_CERTIFICATE_LIFE = 5 * 31_557_600.0  # seconds that a full dial stands for
_NOT_SET_UP = "not_set_up"
_MOST_GLYPHS = 12
_MOST_TILLS = 64


def card(tse: TseSnapshot, locale: Locale, now: float, *, full: bool, acts: bool = False) -> HtmlElement:
    """Return the card; `full` is for those who are logged in, `acts` for operators; `now` in Unix seconds."""
    noted = notices(tse, locale, now) if full else []
    parts = [_head(tse, locale, noted=bool(noted)), _pool(tse, locale), _reason(tse, locale), _notices(noted)]
    if acts and tse.reason == _NOT_SET_UP:
        parts.append(el("p", el("a", locale.text(texts.SET_UP), href=f"/page/setup/{tse.serial}", class_="act")))
    if full:
        parts += [] if tse.info is None else _facts(tse, tse.info, locale, now)
        parts.append(_links(tse, locale))
    else:
        parts.append(_waiting(tse, locale))
    return el("article", *parts, class_=f"card tse {tse.level}", id=f"tse-{tse.serial[:8]}")


def _head(tse: TseSnapshot, locale: Locale, *, noted: bool) -> HtmlElement:
    level = StatusLevel.WARNING if noted and tse.level is StatusLevel.GOOD else tse.level
    state = {
        StatusLevel.GOOD: texts.READY,
        StatusLevel.WARNING: texts.NOT_SET_UP if tse.reason == _NOT_SET_UP else texts.WAITING,
        StatusLevel.BAD: texts.FAILED,
        StatusLevel.IDLE: texts.DECOMMISSIONED,
    }[tse.level]
    if noted and tse.level is StatusLevel.GOOD:
        state = texts.ATTENTION
    name = el("h2", "TSE ", el("span", short(tse.serial), class_="digits"))
    return el("header", name, el("p", svg.shape(level), el("span", locale.text(state)), class_=f"badge {level}"))


def _pool(tse: TseSnapshot, locale: Locale) -> HtmlElement | None:
    """Return the place of the TSE in the pool, and whether it serves."""
    if tse.pool is None:
        return None
    text = {
        (PoolRole.PRIMARY, True): texts.PRIMARY_SERVES,
        (PoolRole.PRIMARY, False): texts.PRIMARY_RESTS,
        (PoolRole.STANDBY, True): texts.STANDBY_SERVES,
        (PoolRole.STANDBY, False): texts.STANDBY_WAITS,
    }[tse.pool.role, tse.pool.serves]
    return el("p", el("span", locale.text(text)), class_="busy")


def _reason(tse: TseSnapshot, locale: Locale) -> HtmlElement | None:
    if not tse.reason:
        return None
    reason = el("p", el("strong", sentence(reason_text(tse.reason, locale.language))), class_="reason")
    since = None
    if tse.since is not None:
        since = el("p", *filled(locale, texts.SINCE, time=date_and_time(locale, tse.since)), class_="since")
    problem = NOT_SIGNING.get(tse.reason)
    remedy = marked(sentence(locale.text(problem.remedy))) if problem else []
    return el("div", reason, since, el("p", el("b", locale.text(texts.WHAT_TO_DO)), " ", *remedy), class_="why")


def _notices(found: Sequence[str]) -> HtmlElement | None:
    return el("ul", *(el("li", *marked(text)) for text in found), class_="notices") if found else None


def _facts(tse: TseSnapshot, info: TseInfo, locale: Locale, now: float) -> list[HtmlElement | None]:
    if tse.reason == _NOT_SET_UP:  # nothing runs out yet
        return [_details(tse, info, locale, now)]
    ended = tse.level is StatusLevel.IDLE
    outdated = ended or tse.level is StatusLevel.BAD  # then the due dates that it gave last are, too
    runs = el("div", None if outdated else _dials(tse, info, locale, now), _fills(info, locale), class_="runs")
    return [
        el("div", runs, None if ended or not tse.rate else _chart(tse.rate, locale), class_="measures"),
        _waiting(tse, locale) if tse.reason else _use(tse, locale),
        _tills(tse, locale, now),
        _details(tse, info, locale, now),
    ]


def _dials(tse: TseSnapshot, info: TseInfo, locale: Locale, now: float) -> HtmlElement:
    test = info.self_test_due_seconds - tse.age if info.self_test_passed else 0.0
    time = info.time_sync_due_seconds - tse.age if info.valid_time else 0.0
    left = info.certificate_expires - now
    longest = info.max_time_sync_delay_seconds or 1
    until = el("span", date(locale, info.certificate_expires))
    return el(
        "dl",
        _dial(locale.text(texts.SELF_TEST), _due(test, locale), test / _SELF_TEST_EVERY, test, limits.SELF_TEST_DUE),
        _dial(locale.text(texts.SET_TIME), _due(time, locale), time / longest, time, limits.TIME_SYNC_DUE),
        _dial(locale.text(texts.CERTIFICATE), until, left / _CERTIFICATE_LIFE, left, limits.CERTIFICATE_LEFT),
        class_="dials",
    )


def _due(seconds: float, locale: Locale) -> HtmlElement:
    text = locale.text(texts.DUE_IN, duration=locale.countdown(seconds)) if seconds > 0 else locale.text(texts.DUE_NOW)
    return el("span", text)


def _dial(name: str, value: HtmlElement, share: float, seconds: float, limit: limits.AtLeast) -> HtmlElement:
    level = StatusLevel.GOOD
    if limit.warns(seconds):
        level = StatusLevel.WARNING if seconds > 0 else StatusLevel.BAD
    return el("div", svg.dial(share, level), el("dt", name), el("dd", value))


def _fills(info: TseInfo, locale: Locale) -> HtmlElement:
    used, capacity = info.used_blocks * SECTOR, info.capacity_blocks * SECTOR
    store = el("div", el("dt", locale.text(texts.STORE)), el("dd", locale.text(texts.UNKNOWN)))
    if info.ctss_active:  # before its self test a TSE says that its store is empty
        value = locale.text(texts.STORE_USED, used=locale.size(used), total=locale.size(capacity))
        store = _fill(locale.text(texts.STORE), value, used, capacity, limits.STORE_USED.warning)
    made, most = info.created_signatures, info.max_signatures
    signatures = locale.text(texts.SIGNATURES_USED, used=locale.number(made), total=locale.number(most))
    clients, most_clients = info.registered_clients, info.max_registered_clients
    tills = locale.text(texts.CLIENTS_REGISTERED, used=locale.number(clients), total=locale.number(most_clients))
    return el(
        "dl",
        store,
        _fill(locale.text(texts.SIGNATURES), signatures, made, most, 1 - limits.SIGNATURES_LEFT.warning),
        _fill(locale.text(texts.CLIENTS), tills, clients, most_clients, limits.CLIENTS_REGISTERED.warning),
        class_="fills",
    )


def _fill(name: str, value: str, part: int, whole: int, limit: float) -> HtmlElement:
    share = part / whole if whole else 0.0
    level = StatusLevel.WARNING if share > limit else StatusLevel.GOOD
    return el("div", el("dt", name), el("dd", value), svg.bar(share, level))


def _chart(rate: Sequence[int], locale: Locale) -> HtmlElement:
    now, most, total = rate[-1], max(rate), sum(rate)
    title = locale.text(texts.RATE_TITLE, now=now, most=most, total=total)
    value = el("span", locale.text(texts.RATE_NOW, count=now), class_="value")
    axis = el(
        "p",
        *(el("span", text) for text in (locale.text(texts.HOUR_AGO), locale.text(texts.RATE_MOST, count=most))),
        el("span", locale.text(texts.NOW)),
        class_="axis",
        aria_hidden="true",
    )
    return el("figure", el("figcaption", el("b", locale.text(texts.RATE)), value), svg.chart(rate, title), axis)


def _use(tse: TseSnapshot, locale: Locale) -> HtmlElement:
    """Return who uses the TSE, who waits for it, and how far its archive is."""
    text = locale.text(texts.FREE)
    if tse.lock is not None:
        held = texts.HELD_BY if tse.lock.peer else texts.HELD_BY_GATEWAY
        text = locale.text(held, duration=locale.duration(tse.lock.seconds), holder=tse.lock)
    lock = el("span", svg.glyph("unlocked" if tse.lock is None else "locked"), text)
    return el("p", lock, _queue(tse, locale), _archive(tse, locale), class_="busy")


def _archive(tse: TseSnapshot, locale: Locale) -> HtmlElement | None:
    archive = tse.archive
    if archive is None or archive.verdict == "error":
        return None
    state: list[HtmlElement | str] = [locale.text(texts.ARCHIVE_EMPTY)]
    if archive.running is not None:
        done, total = archive.running.done_bytes, archive.running.total_bytes
        state = [locale.text(texts.ARCHIVE_RUNNING, percent=locale.percent(done / total if total else 0.0))]
    elif archive.last_success is not None:
        state = filled(locale, texts.ARCHIVE_UNTIL, time=date_and_time(locale, archive.last_success.timestamp()))
    return el("span", svg.glyph("archive"), *state)


def _waiting(tse: TseSnapshot, locale: Locale) -> HtmlElement | None:
    return el("p", _queue(tse, locale), class_="busy") if tse.waiting else None


def _queue(tse: TseSnapshot, locale: Locale) -> HtmlElement:
    """Return how many tills wait, with a picture of each up to a dozen."""
    text = {0: texts.NOBODY_WAITS, 1: texts.ONE_WAITS}.get(tse.waiting, texts.SOME_WAIT)
    glyphs = (svg.glyph("till") for _ in range(min(tse.waiting, _MOST_GLYPHS)))
    return el("span", *glyphs, locale.text(text, count=tse.waiting))


def _tills(tse: TseSnapshot, locale: Locale, now: float) -> HtmlElement | None:
    """Return a table of the tills: who holds the TSE, who waits, who sold before."""
    if not tse.tills:
        return None
    return el("details", el("summary", locale.text(texts.TILLS, count=len(tse.tills))), till_table(tse, locale, now))


def till_table(tse: TseSnapshot, locale: Locale, now: float) -> HtmlElement:
    """Return the table of the tills: who holds the TSE, who waits, who sold before."""
    heads = (texts.CLIENT, texts.TOKEN, texts.ADDRESS, texts.DOES, texts.LAST_RECEIPT)
    return table(locale, heads, [_till(till, locale, now) for till in tse.tills[:_MOST_TILLS]])


def _till(till: TillStatus, locale: Locale, now: float) -> tuple[HtmlElement | str | None, ...]:
    text = {
        TillState.HOLDS: texts.TILL_HOLDS,
        TillState.READS: texts.TILL_READS,
        TillState.WAITS: texts.TILL_WAITS,
        TillState.IDLE: texts.TILL_IDLE,
    }[till.state]
    does = locale.text(text, place=till.place, duration=locale.duration(till.seconds))
    receipt = None if till.receipt_seconds is None else date_and_time(locale, int(now - till.receipt_seconds))
    return till.client_id, till.token, till.peer, does, receipt


def _details(tse: TseSnapshot, info: TseInfo, locale: Locale, now: float) -> HtmlElement:
    rows: list[tuple[Text, HtmlElement | str]] = [
        (texts.SERIAL, el("span", copyable(tse.serial, texts.SERIAL, locale), class_="serial")),
        (texts.DESCRIPTION, info.description or "-"),
        (texts.FIRMWARE, f"{info.software} ({info.form_factor})"),
        (texts.CERTIFICATE, date(locale, info.certificate_expires)),
        (texts.CERTIFIED_UNTIL, _certified(info, locale)),
        (texts.PLACE, tse.place),
        (texts.READ_AT, date_and_time(locale, int(now - tse.age))),
        (texts.LOGGED_IN, _logged_in(tse, locale)),
    ]
    if info.generation is Generation.TWO:
        translated = texts.OLD_TILLS_TRANSLATED if tse.old_tills else texts.OLD_TILLS_REFUSED
        rows.append((texts.OLD_TILLS, locale.text(translated)))
    if tse.health is not None:
        spare = locale.percent(tse.health.spare_blocks_percent / 100)
        erases = locale.percent(tse.health.remaining_erases_percent / 100)
        rows.append((texts.FLASH, locale.text(texts.FLASH_LEFT, spare=spare, erases=erases)))
    listed = (el("div", el("dt", locale.text(name)), el("dd", value)) for name, value in rows)
    transactions = el("p", locale.text(texts.OPEN_TRANSACTIONS, count=info.open_transactions))
    return el("details", el("summary", locale.text(texts.DETAILS)), el("dl", *listed, class_="rows"), transactions)


def _certified(info: TseInfo, locale: Locale) -> HtmlElement | str:
    ends = products.certification_ends(info.description)
    if ends is None:
        return locale.text(texts.UNKNOWN)
    known = products.names_firmware(info.description, info.software)
    noon = ends - limits.DAY / 2  # the same day in the time zone of each reader
    return el("span", date(locale, noon), None if known else locale.text(texts.FIRMWARE_UNKNOWN))


def _logged_in(tse: TseSnapshot, locale: Locale) -> str:
    return ", ".join(locale.text(texts.USER_NAMES[user]) for user in tse.logged_in) or locale.text(texts.NOBODY)


def _links(tse: TseSnapshot, locale: Locale) -> HtmlElement | None:
    links: list[tuple[Text, str]] = []
    if tse.level is not StatusLevel.BAD and tse.reason != _NOT_SET_UP:
        links += [
            (texts.EXPORT, "export"),
            (texts.DSFINVK, "dsfinvk"),
            (texts.ELSTER, "elster"),
            (texts.CERTIFICATES, "certificates"),
        ]
    if tse.archive is not None and tse.archive.segment_count:
        links.append((texts.ARCHIVE_EXPORT, "archive/export"))
    if tse.archive is not None:
        links.append((texts.ARCHIVE_STATE, "archive"))
    if not links:
        return None
    return el(
        "p",
        *(el("a", locale.text(name), href=f"/api/v1/tses/{tse.serial}/{path}") for name, path in links),
        class_="links",
    )
