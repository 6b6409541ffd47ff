"""Tells at the end of a run what became of each shop, and how to go on with those that are not up to date."""

from collections import defaultdict
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: shops
type: notification
short_description: what became of each shop
description: Lists shops that are up to date, failed, unreachable, or in no wave that was begun.
"""

_LAST_TASK = "Up to date"
_DONE, _FAILED, _LOST, _NOT_BEGUN = "up to date", "failed", "unreachable", "not begun, since too many failed before"


class CallbackModule(CallbackBase):
    """Follows the last task of each shop."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "shops"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._told: dict[str, tuple[str, str]] = {}

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note a shop that came to the end."""
        self._note(result, _DONE)

    def v2_runner_on_failed(self, result: Any, **_: Any) -> None:
        """Note why a shop is not up to date; what a rescue catches is told by the last task."""
        self._note(result, _FAILED)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Note where a shop was lost."""
        self._told[result._host.get_name()] = (_LOST, f"(at: {result._task.get_name()})")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print one line for each shop, grouped."""
        if not self._told:
            return
        groups = defaultdict(list)
        for shop in sorted(stats.processed):
            group, told = self._told.get(shop, (_NOT_BEGUN, ""))
            groups[group].append((shop, told))
        self._display.banner("SHOPS")
        for group, shops in sorted(groups.items()):
            self._display.display(f"{group} ({len(shops)})")
            for shop, told in shops:
                self._display.display(f"  {shop} {told}".rstrip())
        if behind := [shop for group, shops in groups.items() if group != _DONE for shop, _ in shops]:
            self._display.display(f"again, when it is mended: --limit {','.join(sorted(behind))}")

    def _note(self, result: Any, group: str) -> None:
        if result._task.get_name() == _LAST_TASK:
            self._told[result._host.get_name()] = (group, " ".join(str(result._result.get("msg", "")).split()))
