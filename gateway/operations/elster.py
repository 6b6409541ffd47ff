"""The tills of a site as the tax office wants them reported (§ 146a (4) AO), and the XML that ELSTER takes.

elster.json in the state directory   {"tills": [{"serial_number": "POS-1", "tse_serial": "E15E...", ...}, ...]}

Names and order of the elements: those of programs that fill this form (secondary source: stustapay on GitHub, read
2026-11-29; the tax administration gives its schema to makers of tax software only). What is reported is always the
whole site (AEAO on § 146a, 1.16.1.4), so tills that are out of service stay in the list.
"""

import asyncio
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import ConfigurationError, GatewayError
from gateway.i18n.form_words import TOLD_BY_TSE, in_words
from gateway.i18n.text import Text, joined
from gateway.storage import strict_json
from gateway.storage.atomic import read_private, write_private
from gateway.tse import products
from gateway.tse.info import TseInfo

FILE = "elster.json"
NAMESPACE = "http://finkonsens.de/elster/elsternachricht/aufzeichnung146a/v1"
_UNKNOWN = Text(
    "no till of the list has the serial number {serial}", "keine Kasse der Liste hat die Seriennummer {serial}"
)
_DAMAGED = Text(
    "{file} is damaged: put it back from your backup, or remove it",
    "{file} ist beschädigt: aus der Sicherung zurücklegen oder entfernen",
)
_NO_TILL = Text(
    "no till is in the list: enter them by tse-gateway elster till",
    "keine Kasse steht in der Liste: mit tse-gateway elster till eintragen",
)
_LACKING = Text(
    "the form asks for more ({fields}): tell it by tse-gateway elster till",
    "das Formular fragt nach mehr ({fields}): mit tse-gateway elster till angeben",
)
_OF_TILL = Text("{serial}: {fields}", "{serial}: {fields}")
_FORMS = {"sd": "1", "usb": "2", "cloud": "3"}  # ArtTSE

_Text = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")]


class UnknownTill(GatewayError):
    """No till of the site has this serial number."""

    code = "unknown_till"


class SiteIncomplete(GatewayError):
    """The tax office asks for more than is known of the tills."""

    code = "site_incomplete"


class SiteTill(BaseModel):
    """A till and the TSE that signs for it, as the form asks; what the TSE itself knows may be left out."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"description": "A till of the site and its TSE, as the tax office wants them reported."},
    )

    serial_number: _Text = Field(
        description="Serial number of the till: the client id by which it signs.", examples=["POS-1"]
    )
    kind: int = Field(ge=1, le=99, description="Kind, as ELSTER numbers them; 1: a till with a computer.", examples=[1])
    manufacturer: _Text = Field(description="Who made it.", examples=["Muster Kassen GmbH"])
    model: _Text = Field(description="Its model.", examples=["Theke 3"])
    software: _Text = Field(description="Its software.", examples=["Muster POS"])
    software_version: _Text = Field(description="Version of that.", examples=["7.4"])
    acquired: date = Field(description="When it was bought, leased or borrowed.", examples=["2026-09-14"])
    in_service: date = Field(description="When it was first used.", examples=["2026-09-21"])
    out_of_service: date | None = Field(None, description="When it was used last, if it is gone.", examples=[None])
    out_of_service_reason: str | None = Field(
        None, max_length=120, description="Why it is gone, such as sold, stolen or broken.", examples=[None]
    )
    tse_serial: str = Field(
        pattern=r"^[0-9A-Fa-f]{64}$",
        description="Serial of the TSE that signs for it: 64 hex digits.",
        examples=["E15E2EAD89FC9E845785B2A03B531B45E337A064DF6A317554E8B618BF906BCF"],
    )
    tse_form: Literal["usb", "sd", "cloud"] = Field(description="Form of the TSE.", examples=["usb"])
    tse_in_service: date | None = Field(
        None, description="When the TSE was first used; null: as it tells itself.", examples=["2026-09-21"]
    )
    certification_id: str | None = Field(
        None,
        pattern=r"^[0-9]{4}-[0-9]{4}$",
        description="Certificate of the BSI for the TSE, NNNN-YYYY; null: as it tells itself.",
        examples=["0412-2020"],
    )

    def completed(self, info: TseInfo, first_signed: date | None) -> "SiteTill":
        """Return it with what the TSE tells; a simulated one has no certificate."""
        number = products.certification_id(info.description)
        told = None if number is None or products.is_simulated(info.description) else number.removeprefix("BSI-K-TR-")
        return self.model_copy(
            update={
                "tse_in_service": self.tse_in_service or first_signed,
                "certification_id": self.certification_id or told,
            }
        )

    @property
    def missing(self) -> list[str]:
        """What the form asks and nobody has told."""
        return [name for name in TOLD_BY_TSE if getattr(self, name) is None]


class SiteTills:
    """The list in the file at `path`; one change at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changing = asyncio.Lock()

    async def all(self) -> list[SiteTill]:
        """Return the tills by serial number.

        Raises:
            ConfigurationError: the file cannot be read, or is damaged.
        """
        return await asyncio.to_thread(self._load)

    async def put(self, till: SiteTill) -> None:
        """Add a till, or replace what was known of it; errors as of `all`."""
        async with self._changing:
            others = [known for known in await self.all() if known.serial_number != till.serial_number]
            await asyncio.to_thread(self._save, [*others, till])

    async def remove(self, serial_number: str) -> None:
        """Take a till from the list that was never there.

        Raises:
            UnknownTill: it is not in the list.
            ConfigurationError: as of `all`.
        """
        async with self._changing:
            known = await self.all()
            rest = [till for till in known if till.serial_number != serial_number]
            if len(rest) == len(known):
                raise UnknownTill(_UNKNOWN, serial=serial_number[:64])
            await asyncio.to_thread(self._save, rest)

    def _load(self) -> list[SiteTill]:
        content = read_private(self._path)
        if content is None:
            return []
        try:
            return [SiteTill.model_validate(one) for one in strict_json.parse(content)["tills"]]
        except (ValueError, TypeError, KeyError):
            raise ConfigurationError(_DAMAGED, file=self._path) from None

    def _save(self, tills: list[SiteTill]) -> None:
        ordered = sorted(tills, key=lambda till: till.serial_number)
        plain = {"tills": [till.model_dump(mode="json") for till in ordered]}
        write_private(self._path, json.dumps(plain, indent=1, ensure_ascii=False).encode() + b"\n")


def as_xml(tills: list[SiteTill]) -> bytes:
    """Return the notification of the site for ELSTER.

    Raises:
        SiteIncomplete: there is no till, or something is not known.
    """
    if not tills:
        raise SiteIncomplete(_NO_TILL)
    lacking = [
        _OF_TILL.filled(serial=till.serial_number, fields=in_words(till.missing)) for till in tills if till.missing
    ]
    if lacking:
        raise SiteIncomplete(_LACKING, fields=joined(lacking, "; "))
    from xml.etree import ElementTree as ET  # late, since few need it

    root = ET.Element("Aufzeichnung146a", xmlns=NAMESPACE, version="1")
    site = ET.SubElement(root, "Aufzeichnung146a")
    for till in tills:
        system = ET.SubElement(site, "AngabenAufzeichnungssystem")
        for name, text in _elements(till):
            ET.SubElement(system, name).text = text
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _elements(till: SiteTill) -> Iterator[tuple[str, str]]:
    yield "Art", str(till.kind)
    yield "Software", till.software
    yield "SoftwareVersion", till.software_version
    yield "SeriennummerAS", till.serial_number
    yield "Hersteller", till.manufacturer
    yield "Modell", till.model
    yield "SeriennummerTSE", till.tse_serial.lower()
    yield "InbetriebnahmeTSE", _day(till.tse_in_service)
    yield "BSIID", till.certification_id or ""
    yield "ArtTSE", _FORMS[till.tse_form]
    yield "AnschaffungAS", _day(till.acquired)
    yield "InbetriebnahmeAS", _day(till.in_service)
    if till.out_of_service is not None:
        yield "AusserbetriebnahmeAS", _day(till.out_of_service)
        yield "GrundAusserbetriebnahme", till.out_of_service_reason or ""


def _day(day: date | None) -> str:
    return "" if day is None else f"{day:%d.%m.%Y}"
