"""Revocation lists fetched from a web server that an authority of openssl names."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway.cli.findings import ERRORS
from gateway.cli.verify import verify_files
from gateway.errors import ConfigurationError
from gateway.verify import fetching
from gateway.verify.fetching import FRESH, ListFetcher
from gateway.verify.files import Options, verify_file
from gateway.verify.findings import Code, FileReport
from gateway.verify.revocation import load_revocation
from tests.verify.exports import NOW, Authority, Tse
from tests.verify.openssl_ca import DAY, OpensslCa, tse_of

CHECKED = datetime.fromtimestamp(NOW + 10 * DAY, UTC)
HOUR = timedelta(hours=1)


@dataclass
class Site:
    """A web server with the lists of a root and a CA, and an export of a TSE below."""

    place: Path
    asked: list[str] = field(default_factory=list)
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    silent: threading.Event | None = None

    def build(self, address: str) -> None:
        self.root = OpensslCa.create(self.place / "root", "root", address=f"{address}/root.crl")
        self.ca = OpensslCa.create(self.place / "ca", "ca", self.root, address=f"{address}/ca.crl")
        self.tse: Tse = tse_of(self.root, self.ca)
        self.export = self.place / "export.tar"
        self.export.write_bytes(self.tse.export(self.tse.receipt(1)))
        self.publish(self.root)
        self.publish(self.ca)

    def publish(self, authority: OpensslCa) -> None:
        file = authority.revocation_list(self.place / "list", made=NOW + 9 * DAY, obtained=0)
        self.answers[f"/{authority.name}.crl"] = (200, file.read_bytes())

    def check(self, at: datetime = CHECKED, *, deadline: float = 30.0, trust: OpensslCa | None = None) -> FileReport:
        anchors = ((trust or self.root).certificate,)
        source = ListFetcher(self.place / "kept", anchors, at, deadline=deadline)
        return verify_file(str(self.export), Options((), anchors, load_revocation([], at, source)))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    found = Site(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            if found.silent is not None:
                found.silent.wait(60)
            status, content = found.answers.get(self.path, (404, b""))
            self.send_response(status)
            self.send_header("Location", "/elsewhere.crl")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_given: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        found.build(f"http://127.0.0.1:{server.server_port}")
        yield found
        if found.silent is not None:
            found.silent.set()
        server.shutdown()


def test_the_lists_of_all_but_the_root_are_fetched_once_and_kept(site: Site) -> None:
    report = site.check()
    assert (_codes(report), report.revocation_checked) == ({}, True)
    assert sorted(site.asked) == ["/ca.crl", "/root.crl"]
    assert _codes(site.check(CHECKED + FRESH - timedelta(seconds=1))) == {}
    assert len(site.asked) == 2
    lists = load_revocation([site.place / "kept"], CHECKED)
    assert len(lists.lists) == 2
    assert {one.obtained for one in lists.lists} == {CHECKED}


def test_an_hour_later_the_newest_list_is_fetched(site: Site) -> None:
    site.check()
    site.ca.revoke(site.tse.leaf, NOW - 60)
    site.publish(site.ca)
    assert _codes(site.check(CHECKED + HOUR)) == {Code.CERTIFICATE_REVOKED: 2}
    assert len(site.asked) == 4


def test_without_an_answer_a_list_that_was_kept_serves_for_a_day(site: Site) -> None:
    site.check()
    site.answers.clear()
    assert _codes(site.check(CHECKED + 23 * HOUR)) == {}
    late = site.check(CHECKED + 24 * HOUR)
    assert _codes(late) == {Code.REVOCATION_UNCHECKED: 2}
    assert "HTTP status 404" in _reason(late)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((404, b""), "HTTP status 404"),
        ((302, b""), "HTTP status 302"),
        ((200, b"<html>"), "/ca.crl: "),
        ((200, b""), "/ca.crl: "),
        ((200, bytes(2000)), "more than 1000 bytes"),
    ],
)
def test_what_is_no_list_is_not_kept(
    answer: tuple[int, bytes], reason: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_MAX_BYTES", 1000)
    site.answers["/ca.crl"] = answer
    report = site.check()
    assert _codes(report) == {Code.REVOCATION_UNCHECKED: 1}
    assert reason in _reason(report)
    assert "/elsewhere.crl" not in site.asked
    assert len(list((site.place / "kept").iterdir())) == 1


def test_an_address_that_is_silent_costs_its_deadline_only(site: Site) -> None:
    site.silent = threading.Event()
    report = site.check(deadline=0.05)
    assert _codes(report) == {Code.REVOCATION_UNCHECKED: 2}
    assert "no whole answer within 0.05 s" in _reason(report)


def test_addresses_of_strangers_are_not_asked(site: Site) -> None:
    stranger = OpensslCa.create(site.place / "stranger", "stranger")
    report = site.check(trust=stranger)
    assert _codes(report) == {Code.CHAIN_BROKEN: 1, Code.REVOCATION_UNCHECKED: 2}
    assert "does not lead to a trusted certificate" in _reason(report)
    assert not site.asked


def test_a_certificate_may_name_no_address(site: Site) -> None:
    tse = Tse(issuer=Authority.create())
    site.export.write_bytes(tse.export(tse.receipt(1)))
    source = ListFetcher(site.place / "kept", (tse.issuer.root,), CHECKED)
    report = verify_file(str(site.export), Options((), (tse.issuer.root,), load_revocation([], CHECKED, source)))
    assert "names no address" in _reason(report)


def test_the_command_fetches_only_on_wish(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    export, trust, kept = [str(site.export)], [site.root.certificate_file], site.place / "kept"
    assert verify_files(export, trust=trust, crl=[], now=CHECKED) == 1
    assert not site.asked
    assert verify_files(export, trust=trust, crl=[], fetch_into=kept, now=CHECKED) == 0
    assert len(site.asked) == 2
    capsys.readouterr()
    assert verify_files(export, crl=[], fetch_into=kept, now=CHECKED) == ERRORS
    assert "--fetch-crls needs --trust" in capsys.readouterr().err


def test_lists_need_a_directory_that_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot keep revocation lists"):
        ListFetcher(tmp_path / "file", (), CHECKED)


def _reason(report: FileReport) -> str:
    return dict(report.findings.items())[Code.REVOCATION_UNCHECKED].examples[0].detail.en


def _codes(report: FileReport) -> dict[Code, int]:
    return {code: found.count for code, found in report.findings.items()}
