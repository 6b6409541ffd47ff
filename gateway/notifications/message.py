"""One message: that a problem is there, that it is gone, or a test."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.notifications.problem import OpenProblem

Kind = Literal["problem", "resolved", "test"]

_RESOLVED = Text("Resolved: {fact}", "Behoben: {fact}")
_TEST = Text("Test message", "Testnachricht")
_TEST_TEXT = Text(
    "Notifications of this gateway arrive here. Nothing has to be done.",
    "Hier kommen die Nachrichten dieses Gateways an. Es ist nichts zu tun.",
)
_ABOUT_TSE = Text("TSE {serial}", "TSE {serial}")
_GONE = Text("It began at {time} and is over.", "Es begann am {time} und ist vorbei.")
_SINCE = Text("Since {time}.", "Seit {time}.")
_ONCE = Text(
    "This message comes once; another one follows when it is over.",
    "Diese Nachricht kommt einmal; wenn es vorbei ist, folgt noch eine.",
)
_PAGE = Text("Status page: {url}", "Statusseite: {url}")


@dataclass(frozen=True, slots=True)
class Message:
    """What all channels send. `id` stays the same however often it is sent; `first` is that of the problem's message.

    `at` and `began` in Unix seconds; `key` is that of the problem, empty for a test.
    """

    id: str
    at: float
    kind: Kind
    subject: str
    text: str
    key: str = ""
    code: str = "test"
    serial: str = ""
    fact: str = ""
    serious: bool = False
    began: float = 0.0
    first: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Return a message that was kept.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        made = cls(**{field.name: plain[field.name] for field in fields(cls)})
        if made.kind not in ("problem", "resolved", "test") or not isinstance(made.at, float):
            raise ValueError("no message")
        return made


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes messages in one language; `site` is the name of the shop, `page` the address of its status page."""

    locale: Locale
    site: str
    page: str

    def problem(self, name: str, at: float, problem: OpenProblem, began: float, first: str) -> Message:
        """Return the message that a problem is there; `first` is the id of an earlier one about it, or empty."""
        parts = [problem.text, self.locale.text(_SINCE, time=self._time(began)), self.locale.text(_ONCE)]
        return Message(
            id=name,
            at=at,
            kind="problem",
            subject=self._subject(problem.fact, problem.serial),
            text=self._text(problem.serial, *parts),
            key=problem.key,
            code=problem.code,
            serial=problem.serial,
            fact=problem.fact,
            serious=problem.serious,
            began=began,
            first=first or name,
        )

    def resolved(self, name: str, at: float, told: Message) -> Message:
        """Return the message that the problem is gone which `told` was about."""
        subject = self._subject(self.locale.text(_RESOLVED, fact=told.fact), told.serial)
        text = self._text(told.serial, told.fact, self.locale.text(_GONE, time=self._time(told.began)))
        return Message(
            id=name,
            at=at,
            kind="resolved",
            subject=subject,
            text=text,
            key=told.key,
            code=told.code,
            serial=told.serial,
            fact=told.fact,
            serious=told.serious,
            began=told.began,
            first=told.first,
        )

    def test(self, name: str, at: float) -> Message:
        """Return a test message."""
        text = self._text("", self.locale.text(_TEST_TEXT))
        return Message(id=name, at=at, kind="test", subject=self._subject(self.locale.text(_TEST), ""), text=text)

    def _subject(self, fact: str, serial: str) -> str:
        about = f" ({self.locale.text(_ABOUT_TSE, serial=serial[:8])})" if serial else ""
        return f"[{self.site or 'TSE-Gateway'}] {fact.rstrip('.')}{about}"

    def _text(self, serial: str, *paragraphs: str) -> str:
        about = [self.locale.text(_ABOUT_TSE, serial=serial)] if serial else []
        return "\n\n".join([*paragraphs, "\n".join([*about, self.locale.text(_PAGE, url=self.page)])]) + "\n"

    def _time(self, at: float) -> str:
        return self.locale.time(at, zone=True)
