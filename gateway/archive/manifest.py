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
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic import model_validator as check_model

from gateway.operations.exports import Mark
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END

FILE_PATTERN = r"^[0-9]{4}-[0-9]{6}\.(?:tar|json)$"
_FILE = re.compile(FILE_PATTERN)


class ArchiveVerdict(StrEnum):
    """The worst that was found in a segment or a whole archive; notes do not count."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class ArchiveModel(BaseModel):
    """Base of what is kept as JSON and shown by the API."""

    model_config = ConfigDict(frozen=True)


class FindingPlace(ArchiveModel):
    """One place where something was found."""

    place: str
    detail: str = ""


class ArchiveFinding(ArchiveModel):
    """What the verifier found; its codes are those of `tse-gateway verify`."""

    code: str
    severity: Literal["note", "warning", "error"]
    count: int
    text: str
    places: list[FindingPlace]


class Manifest(ArchiveModel):
    """One segment of the archive."""

    format: Literal[1] = 1
    serial: str
    series: int = Field(ge=1, description="one more after each deletion of stored data")
    number: int = Field(ge=1, description="within the series")
    file: str
    size: int
    sha256: str
    leading_bytes: int = Field(description="info.csv and certificates before the log messages")
    first_block: int = Field(description="where the log messages begin in the store of the TSE")
    cursor: str = Field(description="the end in the store of the TSE, as the incremental export takes it")
    messages: int
    valid: int
    invalid: int
    unchecked: int
    first_counter: int | None
    last_counter: int | None
    first_time: datetime | None
    last_time: datetime | None
    verdict: ArchiveVerdict
    findings: list[ArchiveFinding]
    verifier: str = Field(description="version of the gateway that verified it")
    trust: list[str] | None = Field(description="SHA-256 of the trusted certificates; null: none were given")
    archived: datetime
    previous: str | None = Field(description="SHA-256 of the manifest before this one")

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
    """Tell whether a segment or manifest may have this name; nothing else is handed out."""
    return _FILE.fullmatch(name) is not None


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()
