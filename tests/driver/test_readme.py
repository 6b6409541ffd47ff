"""The table of failures in the driver's README names tests that there are."""

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
README = TESTS.parent / "gateway" / "driver" / "README.md"


def test_each_test_that_the_readme_names_is_there() -> None:
    named = re.findall(r"`(test_\w+)`", README.read_text(encoding="utf-8"))
    there = {
        name
        for file in [*TESTS.glob("driver/**/test_*.py"), *TESTS.glob("fleet/test_*.py")]
        for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))
    }
    assert len(named) > 15
    assert set(named) <= there
