"""The manifest beside each segment of an archive, and the names of the files.

A segment is a TAR that can be read alone: info.csv, the certificates, the log messages that were new, an end mark.
A series is one store from its first message until stored data are deleted; the next one begins a new series.
Each manifest holds the hash of the one before, over series too: none can be changed or taken away unseen.
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic import model_validator as check_model

from gateway.i18n.text import Text, literal
from gateway.operations.exports import Mark
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END

FILE_PATTERN = r"^[0-9]{4}-[0-9]{6}\.(?:tar|json|tsr)$"
_FILE = re.compile(FILE_PATTERN)
# Kept as both languages; what was kept before there was German is English in both.
KeptText = Annotated[Text, BeforeValidator(lambda kept: literal(kept, kept) if isinstance(kept, str) else kept)]


class ArchiveVerdict(StrEnum):
    """The worst that was found in a segment or a whole archive; notes do not count."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class ArchiveModel(BaseModel):
    """Base of what is kept as JSON and shown by the API."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class FindingPlace(ArchiveModel, json_schema_extra={"description": "One place where something was found."}):
    """One place where something was found."""

    place: str = Field(
        description="The file, and what in it.", examples=["Unixt_1790000000_Sig-9_Log-Tra_No-4_Start_Client-POS-1.log"]
    )
    detail: str = Field("", description="What was found there.", examples=["3 missing"])
    detail_de: str = Field("", description="The same in German.", examples=["3 fehlen"])

    @classmethod
    def of(cls, place: str, detail: Text) -> Self:
        """Return the place with what was found there."""
        return cls(place=place, detail=detail.in_language("en"), detail_de=detail.in_language("de"))


class ArchiveFinding(
    ArchiveModel,
    json_schema_extra={"description": "What the verification found; its codes are those of `tse-gateway verify`."},
):
    """What the verifier found; its codes are those of `tse-gateway verify`."""

    code: str = Field(description="Stable name of the finding.", examples=["certificate.early"])
    severity: Literal["note", "warning", "error"] = Field(
        description="How bad it is; a note is no fault.", examples=["warning"]
    )
    count: int = Field(description="How many places there are.", examples=[1])
    text: str = Field(description="The finding, for people.", examples=["signed before the certificate was valid"])
    text_de: str = Field("", description="The same in German.", examples=["vor Beginn der Gültigkeit signiert"])
    places: list[FindingPlace] = Field(description="The first of these places.")


class Manifest(
    ArchiveModel,
    json_schema_extra={"description": "One segment of an archive: what it holds, and what its verification found."},
):
    """One segment of the archive."""

    format: Literal[1] = Field(1, description="Version of this form.")
    serial: str = Field(
        description="Serial of the TSE: 64 hex digits.",
        examples=["E15E2EAD89FC9E845785B2A03B531B45E337A064DF6A317554E8B618BF906BCF"],
    )
    series: int = Field(
        ge=1, description="Number of the series: one more after each deletion of stored data.", examples=[1]
    )
    number: int = Field(ge=1, description="Number within the series.", examples=[2])
    file: str = Field(description="Name of the segment.", examples=["0001-000002.tar"])
    size: int = Field(description="Size of the segment in bytes.", examples=[9728])
    sha256: str = Field(
        description="SHA-256 of the segment, hex.",
        examples=["24d4485c02bd3edc2a66c6cbabc993806e564f64350263c7bc912f8c02110f15"],
    )
    leading_bytes: int = Field(
        description="Bytes of info.csv and certificates before the log messages.", examples=[4608]
    )
    first_block: int = Field(
        description="Where the log messages begin in the store of the TSE: blocks of 512 bytes.", examples=[25]
    )
    cursor: str = Field(
        description="The end in the store of the TSE, as the incremental export takes it.",
        examples=["eyJ1c2VkIjogMzMsICJsYXN0IjogMzEsICJkaWdlc3QiOiAiZTdiYjc2YTRkMmIwYTQ5ZCJ9"],
    )
    messages: int = Field(description="Log messages in the segment.", examples=[4])
    valid: int = Field(description="Log messages whose signature was verified.", examples=[4])
    invalid: int = Field(description="Log messages whose signature is wrong.", examples=[0])
    unchecked: int = Field(description="Log messages that could not be verified.", examples=[0])
    first_counter: int | None = Field(description="Signature counter of the first log message.", examples=[9])
    last_counter: int | None = Field(description="Signature counter of the last log message.", examples=[12])
    first_time: datetime | None = Field(
        description="Log time of the first log message.", examples=["2026-09-21T14:13:20Z"]
    )
    last_time: datetime | None = Field(
        description="Log time of the last log message.", examples=["2026-09-21T14:13:20Z"]
    )
    verdict: ArchiveVerdict = Field(description="On the segment; revocation is not checked.", examples=["ok"])
    findings: list[ArchiveFinding] = Field(description="What its verification found.", examples=[[]])
    verifier: str = Field(description="Version of the gateway that verified it.", examples=["0.2.0"])
    trust: list[str] | None = Field(
        description="SHA-256 of the trusted certificates; null: none were given.", examples=[None]
    )
    archived: datetime = Field(description="When it was written.", examples=["2026-09-22T02:10:00Z"])
    previous: str | None = Field(
        description="SHA-256 of the manifest before this one; null: it is the first.",
        examples=["239da6b6d7eb682926f87410298ab42f7854d236f9024434240c40210ac3bc53"],
    )

    @check_model(mode="after")
    def _fits_itself(self) -> Self:
        body = (self.mark.used - self.first_block) * SECTOR
        if self.size != self.leading_bytes + body + len(END) or self.file != name_of(self.series, self.number):
            raise ValueError("the manifest contradicts itself")
        return self

    @property
    def mark(self) -> Mark:
        """The end of the segment in the store of the TSE."""
        return Mark.decode(self.cursor)

    def encode(self) -> bytes:
        """Return the bytes of the file that is kept."""
        return self.model_dump_json(indent=1).encode() + b"\n"


def worst_of(verdicts: Iterable[ArchiveVerdict]) -> ArchiveVerdict:
    """Return the worst of `verdicts`, `OK` if there are none."""
    order = list(ArchiveVerdict)
    return max(verdicts, key=order.index, default=ArchiveVerdict.OK)


def name_of(series: int, number: int) -> str:
    """Return the file name of a segment; names sort as the segments were written."""
    return f"{series:04}-{number:06}.tar"


def is_name(name: str) -> bool:
    """Tell whether a segment, a manifest or its time stamp may have this name; nothing else is handed out."""
    return _FILE.fullmatch(name) is not None


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()
