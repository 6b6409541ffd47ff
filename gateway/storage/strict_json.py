"""JSON (RFC 8259) out of files and from others: what is none, or more than this program can hold, gets no further."""

import json
import math
import re
from typing import Any

from gateway.errors import UnfitValue
from gateway.i18n.text import Text

_INTEGERS = range(-(2**63), 2**64)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(text: bytes) -> Any:
    """Return the value of a JSON text in UTF-8. Integers fit 64 bits, all numbers are finite, all strings are Unicode.

    Raises:
        ValueError: it is none, an object has a name twice (programs differ in which one counts), or it is nested too
            deeply; the message shows no value.
    """
    decoded = text.decode("utf-8-sig")  # some editors and programs write a mark of the order of bytes
    try:
        value = _DECODER.decode(decoded)
        if "\\u" in decoded and _SURROGATE.search(decoded):  # the first test is fast where there are megabytes
            json.dumps(value, ensure_ascii=False).encode()  # a half of a pair cannot be written any more
    except RecursionError:
        raise UnfitValue(Text("nested too deeply", "zu tief geschachtelt")) from None
    return value


def _integer(text: str) -> int:
    number = int(text)
    if number not in _INTEGERS:
        raise UnfitValue(Text("an integer of more than 64 bits", "eine ganze Zahl von mehr als 64 Bit"))
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise UnfitValue(Text("a number that is too large", "eine zu große Zahl"))
    return number


def _refused(text: str) -> float:
    raise UnfitValue(Text("{text} is no number in JSON", "{text} ist in JSON keine Zahl"), text=text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnfitValue(Text("an object has a name twice", "in einem Objekt steht ein Name zweimal"))
    return found


_DECODER = json.JSONDecoder(  # `json.loads` would make a new one for each text
    parse_int=_integer, parse_float=_finite, parse_constant=_refused, object_pairs_hook=_unique
)
