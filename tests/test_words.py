"""The words of the field, and one word for one thing: names of modules, of classes, of the REST API's schemas."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import gateway
from gateway.server.api.routes import document

PACKAGE = Path(gateway.__file__).parent

# Word: what is said instead. Words stand in the singular; a plural counts as the same word.
SAY = {
    "passage": "command pipeline",
    "witness": "observer",
    "deed": "observer",
    "opening": "connection",
    "lending": "lock",
    "upkeep": "maintenance",
    "duty": "maintenance task",
    "care": "maintenance",
    "note": "PIN memory",
    "credential": "login guard",
    "lockout": "retry guard",
    "watch": "outage monitor",
    "visit": "exclusive",
    "visitor": "login",
    "wanted": "signing request",
    "wish": "signing request",
    "archivist": "archive service",
    "book": "TSE archive",
    "shelf": "archive directory",
    "draft": "archive directory",
    "checking": "check",
    "rebuild": "restore",
    "nightly": "schedule",
    "part": "service",
    "direct": "standalone",
    "stopping": "shutdown",
    "terminal": "console",
    "sheet": "formatting",
    "moment": "formatting",
    "tree": "html",
    "shape": "svg",
    "piece": "widget",
    "trouble": "recent problem",
    "pace": "signature rate",
    "answer": "response",
    "reply": "response (a reply is the TSE's)",
    "stick": "TSE",
    "dongle": "TSE",
    "worm": "TSE",
    "card": "TSE",
    "adapter": "driver or transport",
    "manager": "what it does",
    "helper": "what it does",
    "frame": "sector or window",
    "packet": "sector or window",
    "buffer": "sector or window",
    "request": "command (a request is HTTP)",
    "response": "reply (a response is HTTP)",
    "admin": "operator (Admin is a role of the TSE)",
    "order": "transaction, log message, store or export",
    "record": "transaction, log message, store or export",
    "unavailable": "attached, held or failed",
}
# Where such a word is the right one: below this package or in this name, and why.
RIGHT = {
    ("request", "gateway.server"): "of HTTP",
    ("response", "gateway.server"): "of HTTP",
    ("request", "gateway.telemetry.metrics.requests"): "of HTTP",
    ("request", "BadRequest"): "of HTTP",
    ("request", "SigningRequest"): "what a till wants signed, by either protocol",
    ("response", "Response"): "of the command window, around a reply",
    ("response", "FetchResponse"): "the command's name",
    ("response", "ResponseMissing"): "of the command window; its code is part of the API",
    ("reply", "gateway.tse"): "the TSE's",
    ("part", "gateway.tse.commands"): "an export comes in parts",
    ("direct", "DirectFile"): "O_DIRECT of the kernel",
    ("credential", "gateway.tse.credentials"): "the vendor's term credential seed",
    ("card", "gateway.server.status_page.cards"): "a card of the page, one for each TSE",
    ("request", "openapi.json"): "of HTTP",
    ("admin", "AdminRequest"): "the PIN of the role",
    ("order", "OrderLine"): "of a guest: Bestellung-V1 of DSFinV-K",
    ("order", "TypedOrder"): "of a guest: Bestellung-V1 of DSFinV-K",
    ("record", "JournalRecord"): "a line of the journal",
    ("record", "PinRecord"): "what is written down of PINs",
    ("record", "gateway.tse.fields"): "fields in a row, of a command or a reply",
}
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PLURAL = {"duties": "duty", "replies": "reply", "shelves": "shelf", "wishes": "wish"}


class Name(NamedTuple):
    """A name and where it is given."""

    name: str
    module: str

    @property
    def words(self) -> list[str]:
        """Its parts in lower case, in the singular if that is a word of the list."""
        parts = [part.lower() for part in _PARTS.findall(self.name)]
        return [_PLURAL.get(part) or (part[:-1] if part[:-1] in SAY and part.endswith("s") else part) for part in parts]

    def is_right(self, word: str) -> bool:
        """Return whether an exception names this word for this name, its module or a package around it."""
        return any((word, place) in RIGHT for place in self.places)

    @property
    def places(self) -> list[str]:
        """What an exception may name: the name itself, its module, and the packages around it."""
        parts = self.module.split(".")
        return [self.name, *(".".join(parts[:count]) for count in range(1, len(parts) + 1))]


def modules() -> list[Name]:
    """Return every module and package, by the last part of its name."""
    paths = (path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py"))
    dotted = sorted({".".join(path.parts).removesuffix(".__init__") for path in paths})
    return [Name(name.rpartition(".")[2], name) for name in dotted]


def classes() -> list[Name]:
    """Return every class of the package, those within functions and classes included."""
    return [Name(name, module) for _, module in modules() for name in _classes_of(module)]


def schemas() -> list[Name]:
    """Return the schemas of the REST API's document."""
    return [Name(name, "openapi.json") for name in document()["components"]["schemas"]]


def test_names_are_of_the_words_of_the_field() -> None:
    found = [
        f"{name.module}: {name.name}, say {SAY[word]}"
        for name in (*modules(), *classes(), *schemas())
        for word in name.words
        if word in SAY and not name.is_right(word)
    ]
    assert found == [], "\n".join(found)


def test_no_two_public_classes_have_one_name() -> None:
    places = defaultdict(list)
    for name in classes():
        if not name.name.startswith("_"):
            places[name.name].append(name.module)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_each_exception_is_needed() -> None:
    used = {
        (word, place) for name in (*modules(), *classes(), *schemas()) for word in name.words for place in name.places
    }
    assert set(RIGHT) - used == set()


def _classes_of(module: str) -> Iterator[str]:
    path = PACKAGE.parent / module.replace(".", "/")
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            yield node.name
