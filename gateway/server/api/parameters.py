"""Parameters of paths and queries, as the JSON API validates and documents them."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway.archive.manifest import FILE_PATTERN
from gateway.errors import UnfitValue
from gateway.i18n.text import Language, Text

_NO_MOMENT = Text("is no moment that there is", "ist kein Zeitpunkt, den es gibt")
_MOST_NUMBER = 2**53 - 1  # what every JSON library reads exactly
_BEGINNING_PATTERN = r"^[0-9A-Fa-f]{4,64}$"
SERIAL_EXAMPLE = "E15E2EAD89FC9E845785B2A03B531B45E337A064DF6A317554E8B618BF906BCF"

_AnyClient = Annotated[
    str,
    Field(pattern=r"^[ -.0-\[\]-~]{0,30}$", description="Only this client; empty: all clients.", examples=["POS-1"]),
]
Cursor = Annotated[
    str,
    Field(
        max_length=400,
        description="`TSE-Export-Cursor` of the earlier export.",
        examples=["eyJ1c2VkIjogMzMsICJsYXN0IjogMzEsICJkaWdlc3QiOiAiZTdiYjc2YTRkMmIwYTQ5ZCJ9"],
    ),
]
_TillText = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


class _Params(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class NoParams(_Params):
    """No parameters."""


class TseParams(_Params):
    """A TSE."""

    serial: Annotated[
        str,
        Field(
            pattern=_BEGINNING_PATTERN,
            description="Serial of the TSE: 64 hex digits, or four and more of its beginning if only one begins so.",
            examples=[SERIAL_EXAMPLE],
        ),
    ]


class EventParams(_Params):
    """Whose events."""

    serial: Annotated[
        str | None,
        Field(
            pattern=_BEGINNING_PATTERN,
            description="Only events of TSEs whose serial begins so, and of the gateway itself.",
            examples=[SERIAL_EXAMPLE],
        ),
    ] = None


class TransactionParams(TseParams):
    """A transaction of a TSE."""

    number: Annotated[int, Field(ge=1, le=_MOST_NUMBER, description="Number of the transaction.", examples=[3])]


Check = Literal["warn", "error", "off"]
Qr = Literal["none", "svg", "png"]


class _SigningOptions(_Params):
    check: Check = Field(
        "warn",
        description="What becomes of process data that do not have the form of their type (DSFinV-K): "
        "signed with a warning, refused, or signed unchecked.",
    )
    qr: Qr = Field("none", description="Draw the QR code of the receipt as well, in this form.")


class PoolParams(_SigningOptions):
    """How to sign with whichever TSE of the pool serves."""


class SigningParams(_SigningOptions, TseParams):
    """A TSE, and how to sign with it."""


class StepParams(_SigningOptions, TransactionParams):
    """A transaction, and how to sign its next step."""


class ClientParams(TseParams):
    """One client of a TSE, or all."""

    client_id: _AnyClient = ""


def _unix(text: str | None, *, last: bool) -> float | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if len(text) == len("yyyy-mm-dd"):  # a whole day, where the gateway is
            moment += timedelta(days=last)
        return moment.timestamp()
    except (ValueError, OverflowError):
        raise UnfitValue(_NO_MOMENT) from None


def _existing(text: str | None) -> str | None:
    _unix(text, last=True)
    return text


_MOMENT = r"^2[0-9]{3}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?)?$"
_Moment = Annotated[
    str | None, Field(pattern=_MOMENT, examples=["2026-11-24", "2026-11-24T08:15:00Z"]), AfterValidator(_existing)
]


class LogParams(_Params):
    """Which lines of the log."""

    level: Literal["INFO", "WARNING", "ERROR"] = Field("INFO", description="From this level on.", examples=["WARNING"])


class Span(_Params):
    from_: _Moment = Field(
        None, alias="from", description="A day or a moment (ISO 8601), in local time unless it names its offset."
    )
    to: _Moment = Field(None, description="Likewise; a day is included to its end.")

    @property
    def since(self) -> float | None:
        """The first moment, Unix seconds."""
        return _unix(self.from_, last=False)

    @property
    def until(self) -> float | None:
        """The first moment behind, Unix seconds."""
        return _unix(self.to, last=True)

    @property
    def first_second(self) -> int | None:
        """The first second of the TSE's clock that is included, Unix seconds."""
        return None if self.since is None else int(self.since)

    @property
    def last_second(self) -> int | None:
        """The last one that is included."""
        until = self.until
        if until is None or self.to is None:
            return None
        return int(until) - 1 if len(self.to) == len("yyyy-mm-dd") else int(until)


class ExportFilter(Span, TseParams):
    """What an export holds; all limits are included, and what is left out limits nothing.

    A span of time is given by `from` and `to`, or in Unix seconds.
    """

    from_time: int | None = Field(
        None, ge=0, le=_MOST_NUMBER, description="First log time, Unix seconds.", examples=[1790000000]
    )
    to_time: int | None = Field(
        None, ge=0, le=_MOST_NUMBER, description="Last log time, Unix seconds.", examples=[1790086399]
    )
    from_number: int | None = Field(None, ge=0, le=_MOST_NUMBER, description="First transaction number.", examples=[1])
    to_number: int | None = Field(None, ge=0, le=_MOST_NUMBER, description="Last transaction number.", examples=[3])
    client_id: _AnyClient = ""


class DsfinvkParams(TseParams):
    """What the till knows for the first columns of tse.csv; they stay empty otherwise."""

    z_kasse_id: Annotated[_TillText, Field(max_length=50, description="Column Z_KASSE_ID.", examples=["Kasse 1"])] = ""
    z_erstellung: Annotated[
        _TillText, Field(max_length=30, description="Column Z_ERSTELLUNG.", examples=["2026-11-24T20:15:00Z"])
    ] = ""
    z_nr: int | None = Field(None, ge=0, le=_MOST_NUMBER, description="Column Z_NR.", examples=[328])
    tse_id: int | None = Field(None, ge=0, le=_MOST_NUMBER, description="Column TSE_ID.", examples=[1])


class CursorParams(TseParams):
    """Where an earlier export ended."""

    cursor: Cursor


class ArchiveFileParams(TseParams):
    """A file of an archive."""

    name: Annotated[
        str,
        Field(
            pattern=FILE_PATTERN,
            description="`0001-000001.tar` for a segment, `.json` for its manifest, `.tsr` for the time stamp on that.",
            examples=["0001-000001.tar"],
        ),
    ]


class ArchiveSeriesParams(TseParams):
    """One of the stores that a TSE has had."""

    series: int | None = Field(
        None,
        ge=1,
        le=9999,
        description="Number of the series; by default the newest, which the TSE holds now.",
        examples=[1],
    )


class QrParams(TransactionParams):
    """A transaction, and the form of its QR code."""

    kind: Literal["svg", "png"] = Field("svg", description="Form of the picture.")


_ListCursor = Annotated[
    str | None,
    Field(
        pattern="^[0-9]{1,10}$",
        description="`next_cursor` of the page before, to go on from there.",
        examples=["4711"],
    ),
]


class TransactionListParams(Span, TseParams):
    """Which transactions of a TSE, and which page of them."""

    client_id: _AnyClient = ""
    process_type: str | None = Field(
        None, max_length=100, description="Only this type of the last step.", examples=["Kassenbeleg-V1"]
    )
    state: Literal["open", "finished"] | None = Field(None, description="Only open ones, or finished ones.")
    from_number: int | None = Field(None, ge=0, le=_MOST_NUMBER, description="First transaction number.", examples=[1])
    to_number: int | None = Field(None, ge=0, le=_MOST_NUMBER, description="Last transaction number.", examples=[3])
    reference: str | None = Field(
        None,
        max_length=100,
        description="Only with this `reference`, while its Idempotency-Key is kept.",
        examples=["till-3/417"],
    )
    limit: int = Field(50, ge=1, le=200, description="Most transactions on the page.")
    cursor: _ListCursor = None


class TransactionStepsParams(TransactionParams):
    """A transaction, and where to look for it."""

    cursor: Annotated[
        str | None,
        Field(
            pattern="^[0-9]{1,10}$",
            description="`cursor` of the transaction in the list; without one only the last transactions are found.",
            examples=["4711"],
        ),
    ] = None


class OutageFilter(Span):
    """The outages of which a part lies in a span of time."""

    serial: Annotated[
        str | None,
        Field(
            pattern=_BEGINNING_PATTERN,
            description="Only outages of the TSE whose serial is this or begins so, and of the gateway itself, which "
            "are outages of every TSE.",
            examples=[SERIAL_EXAMPLE],
        ),
    ] = None
    lang: Annotated[Language | None, Field(description="Language of the texts, instead of `Accept-Language`.")] = None
