"""What a check finds, counted by code; examples are kept up to a limit, so that a ruined file stays readable."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

MAX_EXAMPLES = 100  # per code and file; the count goes on


class Severity(IntEnum):
    """NOTE: good to know. WARNING: a person should look. ERROR: the file proves less than it claims."""

    NOTE = 1
    WARNING = 2
    ERROR = 3


class Code(StrEnum):
    """Stable names of all findings; what they mean stands in `texts`."""

    FILE_UNREADABLE = "file.unreadable"
    FILE_UNKNOWN = "file.unknown"
    FILE_EMPTY = "file.empty"
    TAR_HEADER = "tar.header"
    TAR_TRUNCATED = "tar.truncated"
    TAR_AFTER_END = "tar.after_end"
    TAR_PADDING = "tar.padding"
    TAR_MEMBER = "tar.member"
    TAR_CHECKSUM_FORM = "tar.checksum_form"
    TAR_NO_END = "tar.no_end"
    MEMBER_UNKNOWN = "member.unknown"
    INFO_MISSING = "info.missing"
    INFO_FORM = "info.form"
    MESSAGE_UNREADABLE = "message.unreadable"
    MESSAGE_FORM = "message.form"
    MESSAGE_INDEFINITE = "message.indefinite"
    MESSAGE_NAME = "message.name"
    MESSAGE_OPERATION = "message.operation"
    SIGNATURE_INVALID = "signature.invalid"
    SIGNATURE_UNSUPPORTED = "signature.unsupported"
    KEY_MISSING = "key.missing"
    COUNTER_CONFLICT = "counter.conflict"
    COUNTER_REPEATED = "counter.repeated"
    COUNTER_MISSING = "counter.missing"
    COUNTER_GAP = "counter.gap"
    COUNTER_SKIPPED = "counter.skipped"
    COUNTER_PARTIAL = "counter.partial"
    TIME_BACKWARDS = "time.backwards"
    TIME_UNSET = "time.unset"
    TRANSACTION_ORDER = "transaction.order"
    TRANSACTION_CLIENT = "transaction.client"
    TRANSACTION_START = "transaction.start"
    TRANSACTION_NUMBER = "transaction.number"
    TRANSACTION_CUT = "transaction.cut"
    TRANSACTION_OPEN = "transaction.open"
    CERTIFICATE_UNREADABLE = "certificate.unreadable"
    CERTIFICATE_NAME = "certificate.name"
    CERTIFICATE_FORM = "certificate.form"
    CERTIFICATE_EXPIRED = "certificate.expired"
    CERTIFICATE_EARLY = "certificate.early"
    CHAIN_BROKEN = "chain.broken"
    CHAIN_INCOMPLETE = "chain.incomplete"
    CHAIN_UNANCHORED = "chain.unanchored"
    RECEIPT_UNREADABLE = "receipt.unreadable"
    RECEIPT_FORM = "receipt.form"
    ARCHIVE_GAP = "archive.gap"
    ARCHIVE_FOREIGN = "archive.foreign"
    ARCHIVE_CHANGED = "archive.changed"


@dataclass(frozen=True, slots=True)
class Example:
    """One place where something was found: a member, a counter, a line. `detail` is technical, in English."""

    place: str
    detail: str = ""


@dataclass(slots=True)
class Group:
    """All that was found under one code; `count` may exceed the examples."""

    count: int = 0
    examples: list[Example] = field(default_factory=list)


class Findings:
    """The findings of one file, grouped by code, in the order in which each code was first met."""

    def __init__(self) -> None:
        self._groups: dict[Code, Group] = {}

    def add(self, code: Code, place: str, detail: str = "") -> None:
        """One more of this code."""
        group = self._groups.setdefault(code, Group())
        group.count += 1
        if len(group.examples) < MAX_EXAMPLES:
            group.examples.append(Example(place, detail))

    def merge(self, other: "Findings") -> None:
        """Take over what another collector found later."""
        for code, group in other.items():
            self.take(code, group)

    def take(self, code: Code, group: Group) -> None:
        """Take over what was found under one code."""
        mine = self._groups.setdefault(code, Group())
        mine.count += group.count
        mine.examples.extend(group.examples[: MAX_EXAMPLES - len(mine.examples)])

    def items(self) -> Iterator[tuple[Code, Group]]:
        """Codes and what was found under them."""
        return iter(self._groups.items())

    def count(self, code: Code) -> int:
        """How often this was found."""
        return self._groups[code].count if code in self._groups else 0


class FileKind(StrEnum):
    """What a file turned out to be."""

    ARCHIVE = "archive"
    MESSAGE = "message"
    RECEIPTS = "receipts"
    CERTIFICATES = "certificates"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CounterSpan:
    """What a file holds of one TSE: counters and log times (Unix seconds) from the first to the last message.

    `whole`: the counters begin where a TSE begins, or the caller said that nothing may be missing.
    """

    serial: bytes
    messages: int
    first_counter: int
    last_counter: int
    missing: int
    earliest: int
    latest: int
    whole: bool


@dataclass(slots=True)
class MessageCounts:
    """How many messages there are: each is `valid`, `invalid`, or `unchecked` (no key, or no such algorithm here)."""

    messages: int = 0
    valid: int = 0
    invalid: int = 0
    unchecked: int = 0

    def merge(self, other: "MessageCounts") -> None:
        """Add another count."""
        self.messages += other.messages
        self.valid += other.valid
        self.invalid += other.invalid
        self.unchecked += other.unchecked


@dataclass(frozen=True, slots=True)
class FileReport:
    """Everything found in one file."""

    file: str
    kind: FileKind
    counts: MessageCounts
    findings: Findings
    spans: tuple[CounterSpan, ...] = ()
