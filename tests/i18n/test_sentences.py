"""No sentence that a person can meet stands in the code in one language only.

`test_texts` sees what is a `Text`. Here every other string that reads as words is looked at: it is a docstring, goes
into the log, or is listed below with what it is for.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tests.i18n.code import name_of, trees

SCRIPTS = sorted(Path("gateway").rglob("*.js"))

_VALUE = "X"  # stands for what an f-string fills in
_WORDS = re.compile(
    rf"[A-Za-zÄÖÜäöüß]{{2,}}[,;:]? [a-zäöüß]{{2,}}|{_VALUE}[,;:]? [a-zäöüß]{{3,}}|[a-zäöüß]{{3,}} {_VALUE}\b"
)
_WORD = re.compile(r"[A-Za-zÄÖÜäöüß]{3,}")
_TWINS = {"Text", "literal", "both"}
_LOG = re.compile(r"_?log(?:ger)?\.\w+")
_ATTRIBUTE = "attribute"  # of an element, which is not shown
_SHOWN = {"print", "echo", "el", "table", "Styled", "panel"}

# What is told to nobody in a sentence, or is English on purpose: by the file, and by the call in which it stands.
ELSEWHERE = (
    (
        "gateway/server/api/*",
        "Field|about|Section|Endpoint|FileResponse|FileFormat|ConfigDict|class",
        "the OpenAPI document",
    ),
    ("gateway/archive/*", "Field|class", "the OpenAPI document"),
    ("gateway/operations/elster.py", "Field|ConfigDict", "the OpenAPI document"),
    ("gateway/server/api/openapi.py", "", "the OpenAPI document"),
    ("gateway/server/docs_page/*", "", "its page, for programmers"),
    ("gateway/server/api/error_list.py", "", "ERRORS.md, for programmers"),
    ("gateway/telemetry/*", "", "the log and metrics"),
    ("gateway/fleet/commands/observer.py", "", "the log"),
    ("gateway/*collector.py", "", "metrics"),
    ("gateway/*", "gauge|counter|histogram", "metrics"),
    ("gateway/tse/commands.py", "class", "metrics"),
    ("gateway/server/monitoring/*", "", "metrics, and JSON for probes"),
    ("gateway/doctor/facts.py", "", "the support bundle, for whoever mends the gateway"),
    ("gateway/doctor/bundle.py", "", "the support bundle"),
    ("gateway/server/audit_package/*", "", "German, for the tax office"),
    ("gateway/server/http/session_file.py", "", "the vendor's form"),
    ("gateway/server/lan_*.py", "", "the LAN-TSE protocol"),
    ("gateway/server/*", _ATTRIBUTE, "for the style sheet and the browser"),
    ("gateway/server/pages/*", "Endpoint", "forms that are no part of the API"),
    ("gateway/client/drive.py", "OSError", "a program learns the number only"),
    ("gateway/volume/*", "OSError|FileNotFoundError", "a program learns the number only"),
    ("gateway/driver/usb/transport.py", "OSError|ValueError", "the number is told in German"),
    ("gateway/i18n/system_errors.py", "", "German beside the system's English"),
    ("gateway/tse/results.py", "", "pairs: see below"),
    ("gateway/*", "AssertionError|TypeError|create_task|Thread|ThreadPoolExecutor|BlockingThread", "for developers"),
)
"""File, call ("" is any, "class" the arguments of a class), and what the string is."""


# Code of another language, and what stands in a request or response.
_CODE = re.compile(
    r"<|\s*(CREATE|INSERT|UPDATE|SELECT|PRAGMA) |(Bearer|Basic) |attachment; |bytes X|curl |(id: X\n)?event: |"
    r"\nbody \{|width="
)
NAMES = {"TSE ", "TSE X", "tse-gateway: X"}
FOR_PEOPLE = ("gateway/cli/*", "gateway/doctor/*", "gateway/server/pages/*", "gateway/server/status_page/*")

# Single strings that are none, by the file.
NO_SENTENCES: Mapping[str, tuple[str, ...]] = {
    # the log
    "archive/directory.py": ("X is damaged",),
    "clock/trusted.py": ("TSEs are given the time", "no TSE is given the time"),
    "fleet/hotplug.py": ("block events", "changes of mounts", "no TSE that can be used"),
    "fleet/lock/lock.py": ("the gateway",),
    "fleet/lock/tills.py": ("the gateway",),
    "fleet/maintenance/tasks.py": ("self test", "setting the time"),
    "operations/journal.py": ("the journal %s cannot be written anew",),
    "operations/lan_journal.py": ("signatures over LAN are not noted", "the disk"),
    "server/http/unix_socket.py": ("choose a shorter state directory", "something else has its name"),
    "server/mdns.py": ("needs zeroconf",),
    # caught, and told as another error or in the log
    "archive/manifest.py": ("the manifest contradicts itself",),
    "fleet/outages/log.py": ("no count", "no moment that can be shown"),
    "notifications/message.py": ("no message",),
    "server/http/connection.py": ("the body is no HTTP",),
    "simulator/handlers/exports.py": ("the store of the simulated TSE is damaged",),
    "storage/append_log.py": ("the checksum is that of another line",),
    "tse/tar.py": ("no PAX record",),
    # the OpenAPI document
    "server/api/audit.py": ("\ufeffTime;",),
    "server/api/event_stream.py": ("`id` of the last event", "id: 5c1de0a8"),
    "server/api/exports.py": ("The export: a TAR file", "Where the export ends"),
    "server/api/outages.py": ("\ufeffSite;", "Language of the texts"),
    "server/api/transaction_responses.py": ("Where this was read",),
    # names, styles, and what is typed
    "cli/__init__.py": ("tse-gateway X",),
    "cli/doctor.py": ("bold red",),
    "cli/findings.py": ("bold red",),
    "cli/help.py": ("Invalid value",),  # typer's, which is translated there
    "checks.py": ("block device", "self test"),  # codes; LAYERS has the texts
    "server/pages/form_html.py": ("field check",),
    "server/pages/certificate.py": ("certutil -addstore",),
    "simulator/assumptions.py": ("X of tse-gateway",),
    "simulator/signing.py": ("tse-gateway X",),
    "tse/products.py": ("secondary: ",),  # sources of facts
    "verify/html_report.py": ("TSE-Gateway X",),
    "verify/messages.py": ("process data of indefinite length",),  # compared with a text
    "verify/report.py": ("not checked",),  # a code
}


@dataclass(frozen=True)
class Sentence:
    """A string that reads as words; `calls` are those around it, the nearest first."""

    path: Path
    line: int
    calls: tuple[str, ...]
    text: str

    @property
    def has_a_twin(self) -> bool:
        return not _TWINS.isdisjoint(self.calls)

    @property
    def is_logged(self) -> bool:
        return any(_LOG.fullmatch(call) for call in self.calls)

    @property
    def is_elsewhere(self) -> bool:
        return any(self.is_for(pattern, calls) for pattern, calls, _ in ELSEWHERE)

    @property
    def listed(self) -> tuple[str, str] | None:
        path = str(self.path).removeprefix("gateway/")
        return next(((path, start) for start in NO_SENTENCES.get(path, ()) if self.text.startswith(start)), None)

    def is_for(self, pattern: str, calls: str) -> bool:
        around = {call.rpartition(".")[2] for call in self.calls}
        return fnmatchcase(str(self.path), pattern) and (not calls or not around.isdisjoint(calls.split("|")))


def sentences(path: Path, tree: ast.AST) -> Iterator[Sentence]:
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        text = _text(node)
        if (
            text is None
            or not isinstance(node, ast.expr)
            or isinstance(parents[node], ast.JoinedStr | ast.FormattedValue | ast.Expr)
        ):
            continue  # a piece of an f-string, or a docstring
        if _WORDS.search(text):
            yield Sentence(path, node.lineno, tuple(_calls(node, parents)), text)


def _text(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value) or _VALUE for value in values)
        case _:
            return None


def _calls(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[str]:
    while not isinstance(node, ast.stmt):
        node = parents[node]
        if isinstance(node, ast.keyword) and node.arg in {"class_", "content"}:
            yield _ATTRIBUTE
        if isinstance(node, ast.Call):
            yield name_of(node.func)
    if isinstance(node, ast.ClassDef):
        yield "class"


def test_each_sentence_has_both_languages_or_is_told_to_nobody() -> None:
    found = [one for path, tree in trees().items() for one in sentences(path, tree)]
    alone = [one for one in found if not (one.has_a_twin or one.is_logged or _CODE.match(one.text))]
    used = {at for one in alone for at, entry in enumerate(ELSEWHERE) if one.is_for(*entry[:2])}
    assert [entry for at, entry in enumerate(ELSEWHERE) if at not in used] == [], "nothing of this kind is left"
    rest = [one for one in alone if not one.is_elsewhere]
    assert [f"{one.path}:{one.line}: {one.text!r}" for one in rest if one.listed is None] == []
    listed = {(path, text) for path, texts in NO_SENTENCES.items() for text in texts}
    assert listed - {one.listed for one in rest} == set(), "no longer there"
    assert sum(one.has_a_twin for one in found) > 2000


def test_each_word_that_is_shown_at_once_has_both_languages() -> None:
    alone = [
        f"{path}:{line}: {text!r}"
        for path, tree in trees().items()
        if not any(fnmatchcase(str(path), pattern) for pattern, calls, _ in ELSEWHERE if not calls)
        for line, text in _shown(tree)
        if text not in NAMES
    ]
    assert alone == []


def _shown(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the strings that are arguments of what shows them; the first of `el` is the name of an element."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node.func).rpartition(".")[2] in _SHOWN:
            first = 1 if name_of(node.func) == "el" else 0
            for argument in node.args[first:]:
                items = argument.elts if isinstance(argument, ast.List | ast.Tuple) else [argument]
                yield from ((node.lineno, text) for item in items if (text := _text(item)) and _WORD.search(text))


def test_no_error_is_told_by_its_english_words() -> None:
    alone = [
        f"{path}:{getattr(node, 'lineno', 0)}"
        for path, tree in trees().items()
        if not any(fnmatchcase(str(path), pattern) for pattern, calls, _ in ELSEWHERE if not calls)
        for node in ast.walk(tree)
        if _takes_the_reason_of_the_system(node) or (_is_for_people(path) and _is_an_error_as_text(node))
    ]
    assert alone == [], "`error.text`, `text_of` and `reason_of` have both languages"


def _is_for_people(path: Path) -> bool:
    return any(fnmatchcase(str(path), pattern) for pattern in FOR_PEOPLE)


def _takes_the_reason_of_the_system(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg != "extra" and "strerror" in ast.unparse(node.value)


def _is_an_error_as_text(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="str"), args=[ast.Name(id="error")]):
            return True
        case ast.FormattedValue(value=ast.Name(id="error")):
            return True
        case _:
            return False


def test_scripts_of_the_pages_for_people_show_no_words_of_their_own() -> None:
    shown = [path for path in SCRIPTS if "docs_page" not in path.parts]
    assert len(shown) >= 4
    for path in shown:
        code = re.sub(r"(?m)^\s*//.*$", "", path.read_text(encoding="utf-8"))
        found = re.findall(r"\"([^\"\n]*)\"|`([^`]*)`", code)
        assert [text for pair in found for text in pair if _WORDS.search(text)] == [], path


def test_a_sentence_in_one_language_is_found() -> None:
    code = '''
def f(error, count):
    """A docstring that is none."""
    log.info("told to the log", count)
    say(Text("one of two", "eins von zweien"), why="in English only")
    raise ValueError(f"{count} missing")
'''
    found = [one for one in sentences(Path("gateway/x.py"), ast.parse(code)) if not (one.has_a_twin or one.is_logged)]
    assert {one.text for one in found} == {"in English only", "X missing"}
