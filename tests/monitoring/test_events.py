"""What is written down about events is what the gateway logs."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from compose.monitoring.source import events
from gateway.telemetry.events import Event


@functools.cache
def told() -> frozenset[tuple[str, str]]:
    """Name and level of each event that the code logs; the level is empty where it depends."""
    return frozenset(_told())


def _told() -> Iterator[tuple[str, str]]:
    for path in Path("gateway").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        imported = "from gateway.telemetry.events import" in text
        called = "Event" if imported else "events.Event"  # the TSE's commands have one, too
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == called:
                yield node.attr, ""
            if isinstance(node, ast.Call) and (which := _inline_event(node)):
                yield which, ast.unparse(node.func).removeprefix("log.").upper()


def _inline_event(call: ast.Call) -> str:
    """`log.info(..., extra=event(Event.X))`: the X."""
    extra = next((keyword.value for keyword in call.keywords if keyword.arg == "extra"), None)
    if not isinstance(extra, ast.Call) or not ast.unparse(call.func).startswith("log."):
        return ""
    first = extra.args[0]
    return first.attr if isinstance(first, ast.Attribute) else ""


def test_the_page_lists_each_event_with_its_level_and_meaning() -> None:
    page = events.PAGE.read_text(encoding="utf-8")
    assert events.with_table(page) == page, "run python -m compose.monitoring.source"
    assert page.count("| `") > len(Event)


def test_each_event_is_logged_somewhere_and_no_other() -> None:
    assert {name for name, _ in told()} == set(Event.__members__)


def test_events_are_logged_at_the_level_that_is_written_down() -> None:
    levels = {(name, level) for name, level in told() if level and level not in {"LOG", "EXCEPTION"}}
    assert len(levels) > 5
    assert levels == {(name, Event[name].level) for name, _ in levels}
