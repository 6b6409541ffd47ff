"""The tills of a site for the tax office: kept, completed by their TSEs, and written as the XML that ELSTER takes."""

from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gateway.errors import ConfigurationError
from gateway.fleet.device import Device
from gateway.operations.elster import NAMESPACE, SiteIncomplete, SiteTill, SiteTills, UnknownTill, as_xml

SERIAL = "E15E2EAD89FC9E845785B2A03B531B45E337A064DF6A317554E8B618BF906BCF"
TILL = SiteTill(
    serial_number="POS-1",
    kind=1,
    tse_form="usb",
    manufacturer="Muster & Söhne",
    model="Theke 3",
    software="Muster POS",
    software_version="7.4",
    acquired=date(2026, 9, 14),
    in_service=date(2026, 9, 21),
    tse_serial=SERIAL,
    tse_in_service=date(2026, 9, 20),
    certification_id="0412-2020",
)


def systems(tills: list[SiteTill]) -> list[list[tuple[str, str | None]]]:
    """Names and texts of the elements of each till in the XML."""
    root = ET.fromstring(as_xml(tills))
    spaced = f"{{{NAMESPACE}}}"
    assert (root.tag, root.attrib) == (f"{spaced}Aufzeichnung146a", {"version": "1"})
    (site,) = root
    assert site.tag == f"{spaced}Aufzeichnung146a"
    assert {system.tag for system in site} == {f"{spaced}AngabenAufzeichnungssystem"}
    return [[(one.tag.removeprefix(spaced), one.text) for one in system] for system in site]


def test_the_xml_has_each_field_of_the_form_in_its_order() -> None:
    (found,) = systems([TILL])
    assert found == [
        ("Art", "1"),
        ("Software", "Muster POS"),
        ("SoftwareVersion", "7.4"),
        ("SeriennummerAS", "POS-1"),
        ("Hersteller", "Muster & Söhne"),
        ("Modell", "Theke 3"),
        ("SeriennummerTSE", SERIAL.lower()),
        ("InbetriebnahmeTSE", "20.09.2026"),
        ("BSIID", "0412-2020"),
        ("ArtTSE", "2"),
        ("AnschaffungAS", "14.09.2026"),
        ("InbetriebnahmeAS", "21.09.2026"),
    ]


def test_a_till_that_is_gone_stays_in_the_report_of_the_site_with_its_last_day() -> None:
    gone = TILL.model_copy(update={"out_of_service": date(2026, 11, 2), "out_of_service_reason": "verkauft"})
    other = TILL.model_copy(update={"serial_number": "POS-2"})
    first, second = systems([gone, other])
    assert first[-2:] == [("AusserbetriebnahmeAS", "02.11.2026"), ("GrundAusserbetriebnahme", "verkauft")]
    assert second[-1][0] == "InbetriebnahmeAS"


def test_without_everything_there_is_no_xml_and_what_is_missing_is_named() -> None:
    lacking = TILL.model_copy(update={"certification_id": None})
    with pytest.raises(SiteIncomplete, match=r"POS-1: BSI certification id.*tse-gateway elster till") as told:
        as_xml([TILL, lacking])
    assert "POS-1: Zertifizierungs-ID (BSI)" in told.value.in_language("de")
    with pytest.raises(SiteIncomplete, match="no till is in the list"):
        as_xml([])


async def test_the_list_is_kept_and_a_till_is_replaced_by_its_serial_number(tmp_path: Path) -> None:
    tills = SiteTills(tmp_path / "elster.json")
    assert await tills.all() == []
    second = TILL.model_copy(update={"serial_number": "POS-0"})
    changed = TILL.model_copy(update={"model": "Theke 4"})
    for till in (TILL, second, changed):
        await tills.put(till)
    assert await SiteTills(tmp_path / "elster.json").all() == [second, changed]
    await tills.remove("POS-0")
    assert await tills.all() == [changed]
    with pytest.raises(UnknownTill, match="POS-0"):
        await tills.remove("POS-0")


async def test_a_damaged_list_is_told_and_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "elster.json").write_text('{"tills": [{"serial_number": 1}]}')
    tills = SiteTills(tmp_path / "elster.json")
    with pytest.raises(ConfigurationError, match="is damaged"):
        await tills.put(TILL)
    assert (tmp_path / "elster.json").read_text() == '{"tills": [{"serial_number": 1}]}'


async def test_a_simulated_tse_completes_its_first_day_and_no_certificate(ready: Device) -> None:
    bare = TILL.model_copy(update={"tse_in_service": None, "certification_id": None})
    told = bare.completed(ready.info, date(2026, 9, 1))
    assert (told.tse_in_service, told.certification_id, told.missing) == (date(2026, 9, 1), None, ["certification_id"])
    assert TILL.completed(ready.info, date(2026, 9, 1)) == TILL
