"""The code of the gateway, parsed once for all tests that look for texts in it."""

import ast
from functools import cache
from pathlib import Path

MODULES = sorted(Path("gateway").rglob("*.py"))


@cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}


def name_of(node: ast.expr) -> str:
    """Return a name with dots; what is called or looked up before it is a question mark."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{name_of(value)}.{name}"
        case _:
            return "?"
