"""What the page remembers between two looks: the last hour, who logged in, what went wrong."""

import logging

from gateway.errors import DeviceGone
from gateway.server.status_page.logins import LIFETIME, Logins
from gateway.server.status_page.recent_problems import RecentProblems
from gateway.server.status_page.signature_rate import SignatureRate
from gateway.telemetry.log import shared_with
from gateway.telemetry.metrics import Metrics
from tests.texts import said

NOW = 1_790_000_000.0


def test_signatures_are_counted_by_the_minute() -> None:
    metrics, now = Metrics(), [NOW - NOW % 60]
    rate = SignatureRate(metrics, now=lambda: now[0])
    for made in (3, 0, 2):
        for _ in range(made):
            metrics.signatures.sold("A")
        assert rate.of("A")[-1] == made
        now[0] += 60
        rate.update()
    assert rate.of("A")[-4:] == (3, 0, 2, 0)
    now[0] += 600
    assert rate.of("A")[-13:] == (0, 2, *[0] * 11)
    now[0] += 100 * 60
    assert rate.of("A") == (0,) * 60
    assert rate.of("B") == (0,) * 60


def test_logins_are_few_and_end_in_time() -> None:
    now = [0.0]
    logins = Logins(clock=lambda: now[0])
    first = logins.begin(b"key")
    found = logins.find(first)
    assert found is not None
    assert found.key == b"key"
    assert logins.find(None) is None
    assert logins.find("x") is None
    last = [logins.begin(b"key") for _ in range(64)][-1]
    assert logins.find(first) is None
    now[0] = LIFETIME
    assert logins.find(last) is None
    again = logins.begin(b"key")
    logins.end(again)
    assert logins.find(again) is None


def test_recent_problems_are_the_warnings_of_the_log_and_what_was_refused() -> None:
    now = [1.0]
    problems = RecentProblems(now=lambda: now[0])
    log = logging.getLogger("gateway.somewhere")
    with shared_with(problems):
        log.info("not told")
        log.warning("low %d", 1, extra={"serial": "AB" * 32})
        now[0] = 2.0
        log.error("broken")
        log.warning("GET /x: 503", extra={"status": 503})
        problems.refused("AB" * 32, DeviceGone(said("gone")))
        problems.refused("AB" * 32, DeviceGone(said("gone")))
        problems.refused("", DeviceGone(said("not ours")))
    log.error("after the end")
    assert [(problem.text.en, problem.count, problem.serious, problem.at) for problem in problems.latest()] == [
        ("gone", 2, False, 2.0),
        ("broken", 1, True, 2.0),
        ("low 1", 1, False, 1.0),
    ]
