"""The findings of a check, counted by code; examples are kept up to a limit, so that reports stay readable."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from gateway.i18n.text import NOTHING, Language, Text, literal

MAX_EXAMPLES = 100  # per code and file; the count goes on
SERIAL = Text("serial {serial}", "Seriennummer {serial}")


class Severity(IntEnum):
    """NOTE: good to know. WARNING: a person should look at it. ERROR: the file is damaged, incomplete or forged."""

    NOTE = 1
    WARNING = 2
    ERROR = 3


class Code(StrEnum):
    """Stable names of all findings; `texts` says what they mean."""

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
    CERTIFICATE_REVOKED = "certificate.revoked"
    CERTIFICATE_REVOKED_LATER = "certificate.revoked_later"
    REVOCATION_UNCHECKED = "revocation.unchecked"
    CHAIN_BROKEN = "chain.broken"
    CHAIN_INCOMPLETE = "chain.incomplete"
    CHAIN_UNANCHORED = "chain.unanchored"
    RECEIPT_UNREADABLE = "receipt.unreadable"
    RECEIPT_FORM = "receipt.form"
    ARCHIVE_GAP = "archive.gap"
    ARCHIVE_FOREIGN = "archive.foreign"
    ARCHIVE_CHANGED = "archive.changed"
    PROCESSDATA_START = "processdata.start"
    PROCESSDATA_FORM = "processdata.form"
    DSFINVK_MISSING = "dsfinvk.missing"
    DSFINVK_EXTRA = "dsfinvk.extra"
    DSFINVK_DIFFERS = "dsfinvk.differs"
    DSFINVK_REPEATED = "dsfinvk.repeated"
    DSFINVK_UNFINISHED = "dsfinvk.unfinished"
    DSFINVK_TSE = "dsfinvk.tse"
    DSFINVK_FORM = "dsfinvk.form"
    DSFINVK_NO_EXPORT = "dsfinvk.no_export"
    DSFINVK_UNSIGNED = "dsfinvk.unsigned"
    DSFINVK_OUTAGE = "dsfinvk.outage"
    DSFINVK_OUTSIDE = "dsfinvk.outside"


class FindingClass(StrEnum):
    """Classes of findings, by the numbers that AmadeusVerify's messages of the same subject have.

    That program checks exports for the tax office; its maker, Gastro-MIS, publishes the list.
    """

    GENERAL = "100-104"
    MESSAGE = "150-159"
    ARCHIVE = "160-169"
    CERTIFICATE = "190-209"
    REVOCATION = "210-219"
    DSFINVK = "500-549"
    PROCESS_DATA = "600-609"


@dataclass(frozen=True, slots=True)
class Example:
    """One place where something was found: a member, a counter, a line. `detail` says what is there."""

    place: Text
    detail: Text = NOTHING

    def in_language(self, language: Language) -> str:
        """Return place and detail in one line."""
        return f"{self.place.in_language(language)}  {self.detail.in_language(language)}".rstrip()


@dataclass(slots=True)
class Group:
    """All that was found under one code; `count` may exceed the examples."""

    count: int = 0
    examples: list[Example] = field(default_factory=list)


class Findings:
    """The findings of one file, grouped by code, in the order in which each code was first met."""

    def __init__(self) -> None:
        self._groups: dict[Code, Group] = {}

    def add(self, code: Code, place: str | Text, detail: Text = NOTHING, /, **values: object) -> None:
        """Count one more finding of this code, and keep it as an example, the placeholders of `detail` filled."""
        group = self._groups.setdefault(code, Group())
        group.count += 1
        if len(group.examples) < MAX_EXAMPLES:
            where = literal(place, place) if isinstance(place, str) else place
            group.examples.append(Example(where, detail.filled(**values)))

    def merge(self, other: "Findings") -> None:
        """Add the findings of another check."""
        for code, group in other.items():
            self.take(code, group)

    def take(self, code: Code, group: Group) -> None:
        """Add the findings of one code."""
        mine = self._groups.setdefault(code, Group())
        mine.count += group.count
        mine.examples.extend(group.examples[: MAX_EXAMPLES - len(mine.examples)])

    def items(self) -> Iterator[tuple[Code, Group]]:
        """Iterate over codes and their findings."""
        return iter(self._groups.items())

    def count(self, code: Code) -> int:
        """Return the number of findings of this code."""
        return self._groups[code].count if code in self._groups else 0


class FileKind(StrEnum):
    """The kinds of files."""

    ARCHIVE = "archive"
    MESSAGE = "message"
    RECEIPTS = "receipts"
    CERTIFICATES = "certificates"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CounterSpan:
    """The messages of one TSE in a file: signature counters and log times (Unix seconds) from first to last.

    `whole`: they begin with the first message of the TSE, or the caller said that nothing may be missing.
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
    """Numbers of messages: each is `valid`, `invalid`, or `unchecked` (no key, or an unsupported algorithm)."""

    messages: int = 0
    valid: int = 0
    invalid: int = 0
    unchecked: int = 0

    def merge(self, other: "MessageCounts") -> None:
        """Add other numbers."""
        self.messages += other.messages
        self.valid += other.valid
        self.invalid += other.invalid
        self.unchecked += other.unchecked


@dataclass(frozen=True, slots=True)
class FileReport:
    """Everything found in one file; `revocation_checked`: of each TSE with messages in it, by current lists."""

    file: str
    kind: FileKind
    counts: MessageCounts
    findings: Findings
    spans: tuple[CounterSpan, ...] = ()
    revocation_checked: bool = False


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """Rows of the till, those that agree with what was signed, signed transactions to compare them with."""

    rows: int
    agreeing: int
    transactions: int
    findings: Findings
