"""What the page says, in German and English; numbers, lengths and dates as people of that language write them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.i18n.negotiation import Language


@dataclass(frozen=True, slots=True)
class Words:
    """`{}` in them is filled in. `remedies` by reason: what to do when a TSE does not sign."""

    language: Language
    other: Language
    other_name: str
    skip: str
    live: str
    lost: str
    signs: str
    all_ready: str
    one_ready: str
    signs_partly: str
    some_ready: str
    waits: str
    signs_not: str
    no_tse: str
    no_tse_remedy: str
    simulated: str
    law: str
    ready: str
    care: str
    waiting: str
    fresh: str
    failed: str
    retired: str
    since: str
    what_to_do: str
    self_test: str
    time: str
    certificate: str
    due_now: str
    unknown: str
    due_in: str
    store: str
    store_of: str
    signatures: str
    signatures_of: str
    clients: str
    clients_of: str
    open_transactions: str
    lock_free: str
    lock_held: str
    lock_by: str
    lock_by_gateway: str
    waiting_none: str
    waiting_one: str
    waiting_many: str
    pace: str
    pace_text: str
    pace_now: str
    pace_most: str
    an_hour_ago: str
    now: str
    details: str
    serial: str
    place: str
    description: str
    software: str
    read_at: str
    flash: str
    flash_text: str
    export: str
    outage_list: str
    outage_table: str
    certificates: str
    dsfinvk: str
    elster: str
    archive: str
    archive_none: str
    archive_until: str
    archive_running: str
    archive_bad: str
    archive_old: str
    archive_export: str
    archive_state: str
    api: str
    help: str
    help_intro: str
    back: str
    connection: str
    connection_text: str
    address: str
    port: str
    token: str
    token_hidden: str
    token_show: str
    copy: str
    copied: str
    outages: str
    outages_none: str
    outages_one: str
    outages_text: str
    lasts: str
    refused: str
    gateway_itself: str
    troubles: str
    troubles_none: str
    times: str
    login: str
    login_text: str
    login_token: str
    login_refused: str
    logout: str
    version: str
    tls_until: str
    certificate_soon: str
    self_test_soon: str
    signatures_few: str
    store_filling: str
    clients_many: str
    flash_worn: str
    held_back: str
    pin_tries: str
    pin_names: Mapping[str, str]
    decimal: str
    thousands: str
    date: str
    moment: str
    units: tuple[tuple[str, str, int], ...]  # one, many, seconds; the largest first
    soon: str
    remedies: Mapping[str, str]

    def number(self, value: int) -> str:
        """With its thousands set apart."""
        return f"{value:,}".replace(",", self.thousands)

    def percent(self, ratio: float) -> str:
        """Between 0 and 1 as per cent; small ones with a decimal, so that little is not nothing."""
        value = 100 * ratio
        return (f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}").replace(".", self.decimal) + "\u00a0%"

    def size(self, size: int) -> str:
        """In the unit that fits."""
        value, unit = float(size), "B"
        for larger in ("kB", "MB", "GB", "TB"):
            if value < 1000:
                break
            value, unit = value / 1000, larger
        text = f"{value:.0f}" if value >= 100 or unit == "B" else f"{value:.1f}"
        return f"{text.replace('.', self.decimal)}\u00a0{unit}"

    def length(self, seconds: float) -> str:
        """Its two largest units; whoever waits for the end of a year does not care for minutes."""
        rest, parts = int(seconds), list[str]()
        for one, many, size in self.units:
            count, rest = divmod(rest, size)
            if count:
                parts.append(f"{count}\u00a0{one if count == 1 else many}")
            if len(parts) == 2 or (parts and not count):
                break
        return " ".join(parts) or self.soon

    def countdown(self, seconds: float) -> str:
        """As a length, but in hours and minutes up to two days, and never in seconds: nobody wants to see it tick."""
        minutes = int(seconds) // 60
        if minutes >= 2 * 24 * 60:
            return self.length(seconds)
        hour, minute = self.units[-3][0], self.units[-2][0]
        if minutes < 1:
            return f"<\u00a01\u00a0{minute}"
        if minutes < 60:
            return f"{minutes}\u00a0{minute}"
        return f"{minutes // 60}\u00a0{hour} {minutes % 60}\u00a0{minute}"

    def day(self, moment: float) -> str:
        """A date, in the time zone of the gateway."""
        return datetime.fromtimestamp(moment, UTC).astimezone().strftime(self.date)

    def at(self, moment: float) -> str:
        """Date and time, in the time zone of the gateway."""
        return datetime.fromtimestamp(moment, UTC).astimezone().strftime(self.moment)
