"""Inputs that once reached new code or broke something break nothing now. README.md tells how to fuzz."""

import pytest

from tests.fuzz.targets import CORPUS, TARGETS, load


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_breaks_nothing(target: str) -> None:
    run = load(target)
    inputs = sorted((CORPUS / target).iterdir())
    assert inputs
    for path in inputs:
        run(path.read_bytes())
    run(b"")


def test_the_corpus_is_small_and_of_these_targets() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 200_000
