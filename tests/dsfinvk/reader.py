"""Read tse.csv and transactions_tse.csv as dsfinvk does: `reader.py DIRECTORY`. Exit status 0 if it takes every value.

The models refuse values of another type; the package's own check of tables finds columns, numbers and lengths that
do not fit. Runs in an environment of its own, with dsfinvk.
"""

import csv
import io
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Any

from dsfinvk import fields
from dsfinvk.models import Stamm_TSE, TSE_Transaktionen
from dsfinvk.validate import validate_table


def read(path: Path, model: Any) -> int:
    """Make a model of each row; its values must be what the file says. Return the number of rows."""
    known = {field.name: field for field in model._fields}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter=";")
        assert list(rows.fieldnames or ()) == list(known), rows.fieldnames
        found = list(rows)
        for row in found:
            made = model(**{name: typed(known[name], text) for name, text in row.items() if text})
            for name, text in row.items():
                if text and not isinstance(known[name], fields.LocalDateTimeField):
                    assert str(getattr(made, name)).replace(".", "") == text.replace(".", ""), (name, text)
    return len(found)


def typed(field: Any, text: str) -> object:
    """Return the value of a column for its model."""
    if isinstance(field, fields.NumericField):
        return int(text)
    return datetime.fromisoformat(text) if isinstance(field, fields.LocalDateTimeField) else text


def table(model: Any) -> ET.Element:
    """Return the table of index.xml for a model."""

    def lines() -> Iterator[str]:
        yield "<Table><UTF8/><DecimalSymbol>,</DecimalSymbol><DigitGroupingSymbol>.</DigitGroupingSymbol>"
        yield "<Range><From>2</From></Range><VariableLength><RecordDelimiter>&#13;&#10;</RecordDelimiter>"
        yield "<ColumnDelimiter>;</ColumnDelimiter><TextEncapsulator>&quot;</TextEncapsulator>"
        for field in model._fields:
            kind = "<Numeric/>" if isinstance(field, fields.NumericField) else "<AlphaNumeric/>"
            longest = getattr(field, "max_length", None)
            limit = f"<MaxLength>{longest}</MaxLength>" if longest else ""
            yield f"<VariableColumn><Name>{field.name}</Name>{kind}{limit}</VariableColumn>"
        yield "</VariableLength></Table>"

    return ET.fromstring("".join(lines()))


def main(directory: Path) -> None:
    """Read both files."""
    for model in (Stamm_TSE, TSE_Transaktionen):
        path = directory / model._filename
        with path.open(encoding="utf-8", newline="") as file, redirect_stdout(io.StringIO()) as said:
            validate_table(file, table(model))
        assert not said.getvalue(), said.getvalue()
        print(f"{path}: {read(path, model)} rows, read by dsfinvk")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
