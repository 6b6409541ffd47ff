"""A list of steps that is kept in a file, so that it goes on where it stopped, today or next week."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError
from gateway.storage.atomic import read_private, write_private


class Checklist:
    """Which steps are done, when, and what came of each; on the disk before the next one begins."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._facts: dict[str, Any] = {}
        self._done: dict[str, dict[str, Any]] = {}
        self._read()

    def done(self, step: str) -> bool:
        """Was it done before?"""
        return step in self._done

    def tick(self, step: str, **result: Any) -> None:
        """It is done now."""
        self._done[step] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **result}
        self._write()

    def result(self, step: str) -> Mapping[str, Any]:
        """When it was done, and what came of it; empty before."""
        return self._done.get(step, {})

    def fact(self, name: str) -> Any:
        """What `know` noted; None before."""
        return self._facts.get(name)

    def know(self, **facts: Any) -> None:
        """Note what the steps are about."""
        self._facts.update(facts)
        self._write()

    def as_data(self) -> dict[str, Any]:
        """All of it."""
        return {**self._facts, "steps": self._done}

    def _read(self) -> None:
        content = read_private(self.path)
        if content is None:
            return
        try:
            plain = json.loads(content)
            self._done = dict(plain.pop("steps"))
            self._facts = plain
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigurationError(f"{self.path} is damaged: restore it, or begin in another directory") from None

    def _write(self) -> None:
        write_private(self.path, json.dumps(self.as_data(), indent=1, ensure_ascii=False).encode() + b"\n")
