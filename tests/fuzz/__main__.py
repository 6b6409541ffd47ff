"""Coverage-guided fuzzing of all that reads bytes of others, by atheris and libFuzzer; see README.md.

python -m tests.fuzz TARGET [option of libFuzzer or directory]...
"""

import logging
import sys

import atheris

from tests.fuzz.targets import CORPUS, TARGETS, load

# Bytes of an input, seconds for one, MiB of memory for all.
_DEFAULTS = ("-runs=1000000", "-max_len=4096", "-timeout=25", "-rss_limit_mb=1024", "-print_final_stats=1")


def main(target: str = "", *given: str) -> None:
    """Fuzz one target; libFuzzer ends the process. Without a directory, what reaches new code goes into the corpus."""
    if target not in TARGETS:
        sys.exit(f"python -m tests.fuzz TARGET [option of libFuzzer or directory]...; a target is one of {TARGETS}")
    with atheris.instrument_imports(include=["gateway"]):
        run = load(target)
    logging.disable()  # else millions of lines
    corpus = CORPUS / target
    corpus.mkdir(parents=True, exist_ok=True)
    has_place = any(not argument.startswith("-") for argument in given)
    program = f"{sys.executable} -m tests.fuzz {target}"  # what libFuzzer starts again for -merge=1, by a shell
    atheris.Setup([program, *_DEFAULTS, *given, *([] if has_place else [str(corpus)])], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
