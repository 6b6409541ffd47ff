"""What needs attention at a site, and what cannot be judged now, as the notifications hear it."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import limits
from gateway.app import problems
from gateway.app.problems import SiteProblems
from gateway.clock.sntp import TimeServer
from gateway.clock.trusted import Clock, KernelClock
from gateway.fleet.registry import Registry
from gateway.i18n.locales import Locale
from gateway.server.http.certificate_authority import ensure_server_certificate
from gateway.server.status_page.snapshot import Snapshot, TseSnapshot
from gateway.storage.writable import WritableCheck
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import HealthReply
from tests.monitoring.test_rules import ALERTS
from tests.server.shop import settings_for
from tests.server.status_page.test_view import GOOD, INFO, NOW

FULL = replace(INFO, used_blocks=960)
WORN = HealthReply(spare_blocks_percent=0, uncorrectable_ecc_errors=0, erase_count=1, endurance=100)


def site(tmp_path: Path, snapshot: Snapshot, clock: Clock | None = None, **given: object) -> SiteProblems:
    settings = settings_for(tmp_path, **given)
    settings.state_dir.mkdir(exist_ok=True)
    writable = WritableCheck(settings.state_dir, lambda _: None)
    return SiteProblems(settings, Registry(Metrics()), lambda _: snapshot, writable, clock, Locale("de"))


async def told(tmp_path: Path, *tses: TseSnapshot, **given: object) -> dict[str, tuple[str, bool, float]]:
    """By code: what is wrong, whether it is serious, and after how long it is told."""
    found, _ = await site(tmp_path, Snapshot(NOW, tses), **given).now()  # type: ignore[arg-type]
    return {problem.code: (problem.fact, problem.serious, problem.patience) for problem in found}


async def test_a_site_in_order_has_no_problem(tmp_path: Path) -> None:
    assert await told(tmp_path, GOOD) == {}


async def test_what_the_page_notices_of_a_tse_is_a_problem_of_the_site(tmp_path: Path) -> None:
    found, _ = await site(tmp_path, Snapshot(NOW, [replace(GOOD, info=FULL)])).now()
    (problem,) = found
    assert (problem.code, problem.serial, problem.serious) == ("store_fills", GOOD.serial, True)
    assert problem.text.startswith("Der Speicher ist zu 96\u00a0% belegt. Alles exportieren,")
    less = await told(tmp_path, replace(GOOD, info=replace(INFO, used_blocks=810)))
    assert not less["store_fills"][1]


async def test_a_tse_that_does_not_sign_is_told_when_that_lasts(tmp_path: Path) -> None:
    assert await told(tmp_path) == {"no_tse": ("Keine TSE gefunden.", True, problems.NOT_READY)}
    pulled = await told(tmp_path, replace(GOOD, reason="unplugged"))
    assert pulled == {"not_signing": ("Die TSE wurde abgezogen.", True, problems.DOWN)}


async def test_a_tse_that_waits_for_its_first_till_is_told_only_if_the_gateway_should_have_readied_it(
    tmp_path: Path,
) -> None:
    waits = replace(GOOD, reason="no_time")
    assert await told(tmp_path, waits) == {}
    left_alone = await told(tmp_path, replace(waits, maintained=True))
    assert left_alone["not_signing"][2] == problems.NOT_READY
    assert await told(tmp_path, replace(GOOD, reason="not_set_up", maintained=True)) == {}
    assert await told(tmp_path, replace(GOOD, reason="decommissioned"), GOOD) == {}


async def test_the_certificate_for_the_tills_is_told_unless_the_gateway_makes_it(tmp_path: Path) -> None:
    soon = Snapshot(NOW, [GOOD], tls_expires=NOW + 6 * limits.DAY)
    own, _ = await site(tmp_path, soon).now()
    assert own == []
    given = ensure_server_certificate(tmp_path, frozenset({"127.0.0.1"}))
    (problem,), _ = await site(tmp_path, soon, tls_certificate=given, tls_key=given).now()
    assert (problem.code, problem.serious) == ("tls_certificate_ends", True)
    assert problem.fact == "Das TLS-Zertifikat gilt nur noch 6\u00a0Tage."


@pytest.mark.parametrize(
    ("kernel", "code", "patience"),
    [
        (KernelClock(synchronised=False), "clock_unfit", problems.CLOCK_UNFIT),
        (KernelClock(synchronised=True, offset=31.0), "clock_off", problems.CLOCK_OFF),
        (KernelClock(synchronised=True), None, 0.0),
    ],
)
async def test_a_clock_that_no_tse_may_be_set_by_is_told(
    tmp_path: Path, kernel: KernelClock, code: str | None, patience: float
) -> None:
    clock = Clock([TimeServer("127.0.0.1", 1)], kernel=lambda: kernel)
    found, _ = await site(tmp_path, Snapshot(NOW, [GOOD]), clock).now()
    assert [(problem.code, problem.patience) for problem in found] == ([(code, patience)] if code else [])


async def test_a_disk_that_is_full_or_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DISK_FREE", limits.AtLeast(2.0**60, 0))
    low = await told(tmp_path, GOOD)
    assert set(low) == {"disk_low"}
    assert re.match(r"\d+ MiB frei in ", low["disk_low"][0])
    broken = site(tmp_path, Snapshot(NOW, [GOOD]))
    broken.writable.trouble = "No space left on device"
    (problem,), _ = await broken.now()
    assert (problem.code, problem.serious, problem.patience) == ("not_writable", True, problems.UNWRITABLE)
    assert "No space left on device" in problem.fact


@pytest.mark.parametrize(
    ("tse", "key", "unknown"),
    [
        (replace(GOOD, info=None), f"store_fills:{GOOD.serial}", True),
        (replace(GOOD, info=None), f"not_signing:{GOOD.serial}", False),
        (replace(GOOD, info=None), f"pin_tries:{GOOD.serial}:admin", True),
        (GOOD, f"store_fills:{GOOD.serial}", False),
        (GOOD, f"flash_worn:{GOOD.serial}", True),
        (replace(GOOD, health=WORN), f"flash_worn:{GOOD.serial}", False),
        (GOOD, f"archive_old:{GOOD.serial}", True),
        (replace(GOOD, archive_age=1.0), f"archive_old:{GOOD.serial}", False),
        (GOOD, "disk_low", False),
        (GOOD, f"store_fills:{'CD' * 32}", False),  # that TSE is gone for good
    ],
)
async def test_what_a_tse_cannot_tell_now_is_not_over(
    tmp_path: Path, tse: TseSnapshot, key: str, *, unknown: bool
) -> None:
    is_unknown: Callable[[str], bool]
    _, is_unknown = await site(tmp_path, Snapshot(NOW, [tse])).now()
    assert is_unknown(key) is unknown


@pytest.mark.parametrize("page", ["administrators/alert-mails.md", "de/alarm-mails.md"])
def test_the_guide_lists_each_code(page: str) -> None:
    root = Path(problems.__file__).parents[2]
    sources = (root / "gateway/app/problems.py", root / "gateway/server/status_page/notices.py")
    made = re.compile(
        r"""(?:make\(|_made\(|ARCHIVE_OLD, FLASH_WORN = |NOT_SIGNING = )\s*"([a-z_]+)"(?:, "([a-z_]+)")?"""
    )
    codes = {code for source in sources for found in made.findall(source.read_text()) for code in found if code}
    text = (root / "docs" / page).read_text()
    listed = text[text.index("`not_signing`") : text.index("`not_writable`")] + "`not_writable`"
    assert set(re.findall("`([a-z_]+)`", listed)) == codes


def test_it_is_told_after_as_long_as_by_the_alerts() -> None:
    minutes = {
        "TseDown": problems.DOWN,
        "TseNotReady": problems.NOT_READY,
        "GatewayNoTse": problems.NOT_READY,
        "GatewayStateNotWritable": problems.UNWRITABLE,
        "GatewayClockUnfit": problems.CLOCK_UNFIT,
        "GatewayClockOffset": problems.CLOCK_OFF,
    }
    assert {name: ALERTS[name]["for"] for name in minutes} == {
        name: f"{seconds / 60:g}m" for name, seconds in minutes.items()
    }
