"""Days and moments as people type them."""

from datetime import date, datetime, time, timedelta

import typer


def unix_of(text: str, *, end: bool) -> int:
    """Unix seconds of a local day (its begin, or its `end`) or moment."""
    try:
        if "T" in text or " " in text:
            return int(datetime.fromisoformat(text).astimezone().timestamp())
        day = date.fromisoformat(text) + timedelta(days=int(end))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a day (2026-01-31) nor a moment (2026-01-31T08:00)") from None
    return int(datetime.combine(day, time()).astimezone().timestamp()) - int(end)


def shown(moment: str | None) -> str:
    """An ISO moment of the API in local time; empty for none."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""
