"""`python -m tests.docs.settings_page` writes what tells of settings from the code.

That is the table of docs/administrators/settings.md, and the part of the chart's schema.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.config.settings import Settings
from tests.docs.settings_schema import SCHEMA, with_settings

PAGE = Path(__file__).parents[2] / "docs/administrators/settings.md"
_BEGIN, _END = "<!-- table: python -m tests.docs.settings_page -->\n", "<!-- end of table -->\n"
_FOUND_AT_THE_START = {"address": "this machine's address", "state_dir": "`~/.local/state/tse-gateway`"}


def with_table(page: str) -> str:
    """Return `page` with its table made anew."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + "".join(_rows()) + _END + after


def _rows() -> Iterator[str]:
    yield "| setting | default | meaning |\n|---|---|---|\n"
    for name, field in Settings.model_fields.items():
        yield f"| `GATEWAY_{name.upper()}` | {_default(name, field)} | {field.description} |\n"


def _default(name: str, field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return _FOUND_AT_THE_START[name]
    if field.default is None or field.default in ("", ()):
        return ""
    if isinstance(field.default, tuple):
        return ", ".join(map(str, field.default))
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.write_text(with_settings(SCHEMA.read_text(encoding="utf-8")), encoding="utf-8")
