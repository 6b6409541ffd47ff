"""What the page remembers between two looks: the last hour, who logged in, what went wrong."""

import logging

from gateway.errors import DeviceGone
from gateway.server.status_page.logins import LIFETIME, Visitors
from gateway.server.status_page.recent_problems import Troubles
from gateway.server.status_page.signature_rate import Pace
from gateway.telemetry.metrics import Metrics

NOW = 1_790_000_000.0


def test_the_pace_is_counted_by_the_minute() -> None:
    metrics, now = Metrics(), [NOW - NOW % 60]
    pace = Pace(metrics, now=lambda: now[0])
    for made in (3, 0, 2):
        for _ in range(made):
            metrics.signatures.sold("A")
        assert pace.of("A")[-1] == made
        now[0] += 60
        pace.look()
    assert pace.of("A")[-4:] == (3, 0, 2, 0)
    now[0] += 600
    assert pace.of("A")[-13:] == (0, 2, *[0] * 11)
    now[0] += 100 * 60
    assert pace.of("A") == (0,) * 60
    assert pace.of("B") == (0,) * 60


def test_visitors_are_few_and_forgotten_in_time() -> None:
    now = [0.0]
    visitors = Visitors(clock=lambda: now[0])
    first = visitors.admit()
    assert visitors.knows(first)
    assert not visitors.knows(None)
    assert not visitors.knows("x")
    last = [visitors.admit() for _ in range(64)][-1]
    assert not visitors.knows(first)
    now[0] = LIFETIME
    assert not visitors.knows(last)
    again = visitors.admit()
    visitors.dismiss(again)
    assert not visitors.knows(again)


def test_troubles_are_the_warnings_of_the_log_and_what_was_refused() -> None:
    now = [1.0]
    troubles = Troubles(now=lambda: now[0])
    log = logging.getLogger("gateway.somewhere")
    with troubles.listening():
        log.info("not told")
        log.warning("low %d", 1, extra={"serial": "AB" * 32})
        now[0] = 2.0
        log.error("broken")
        log.warning("GET /x: 503", extra={"status": 503})
        troubles.refused("AB" * 32, DeviceGone("gone"))
        troubles.refused("AB" * 32, DeviceGone("gone"))
        troubles.refused("", DeviceGone("not ours"))
    log.error("after the end")
    assert [(trouble.text, trouble.count, trouble.serious, trouble.at) for trouble in troubles.latest()] == [
        ("gone", 2, False, 2.0),
        ("broken", 1, True, 2.0),
        ("low 1", 1, False, 1.0),
    ]
