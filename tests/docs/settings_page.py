"""`python -m tests.docs.settings_page` writes what tells of settings from the code.

That is the table of docs/administrators/settings.md and of its German twin, and the part of the chart's schema.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.config.meanings import MEANINGS
from gateway.config.settings import Settings
from gateway.i18n.text import Language, Text
from tests.docs.settings_schema import SCHEMA, with_settings

_DOCS = Path(__file__).parents[2] / "docs"
PAGES: dict[Language, Path] = {"en": _DOCS / "administrators/settings.md", "de": _DOCS / "de/einstellungen.md"}
_BEGIN, _END = "<!-- table: python -m tests.docs.settings_page -->\n", "<!-- end of table -->\n"
_HEAD = Text("| setting | default | meaning |", "| Einstellung | Vorgabe | Bedeutung |")
_FOUND_AT_THE_START = {
    "address": Text("this machine's address", "die Adresse dieses Rechners"),
    "state_dir": Text("`~/.local/state/tse-gateway`", "`~/.local/state/tse-gateway`"),
}


def with_table(page: str, language: Language) -> str:
    """Return `page` with its table made anew."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + "".join(_rows(language)) + _END + after


def _rows(language: Language) -> Iterator[str]:
    yield f"{_HEAD.in_language(language)}\n|---|---|---|\n"
    for name, field in Settings.model_fields.items():
        meaning = MEANINGS[name].in_language(language)
        yield f"| `GATEWAY_{name.upper()}` | {_default(name, field, language)} | {meaning} |\n"


def _default(name: str, field: FieldInfo, language: Language) -> str:
    if field.default is PydanticUndefined:
        return _FOUND_AT_THE_START[name].in_language(language)
    if field.default is None or field.default in ("", ()):
        return ""
    if isinstance(field.default, tuple):
        return ", ".join(map(str, field.default))
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


if __name__ == "__main__":
    for spoken, page in PAGES.items():
        page.write_text(with_table(page.read_text(encoding="utf-8"), spoken), encoding="utf-8")
    SCHEMA.write_text(with_settings(SCHEMA.read_text(encoding="utf-8")), encoding="utf-8")
