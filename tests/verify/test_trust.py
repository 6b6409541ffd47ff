"""Chains, and whom the user trusts."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import ConfigurationError
from gateway.tse.tar import END, member
from gateway.verify.files import Options, certificates_in
from gateway.verify.findings import Code, FileReport
from gateway.verify.trust import load_trust
from tests.verify.conftest import Check
from tests.verify.exports import INFO_MEMBER, NOW, Authority, Tse, log_member, pem

DAY = 86_400
TSE = Tse()
MESSAGES = TSE.receipt(1)
EXPORT = TSE.export(MESSAGES)


@pytest.mark.parametrize("anchor", [TSE.issuer.root, TSE.issuer.ca, TSE.leaf])
def test_a_chain_may_end_at_any_trusted_certificate(anchor: x509.Certificate, check: Check) -> None:
    assert _codes(check(EXPORT, Options(anchors=(anchor,)))) == {}


def test_a_chain_that_ends_elsewhere_is_broken(check: Check) -> None:
    report = check(EXPORT, Options(anchors=(Authority.create("Other").root,)))
    assert report.counts.valid == 2
    assert _codes(report) == {Code.CHAIN_BROKEN: 1}


def test_a_stranger_with_the_names_of_the_authority_is_not_believed(check: Check) -> None:
    forger = Tse(issuer=Authority.create("Test"))  # the same names, other keys
    report = check(forger.export(forger.receipt(1)), Options(anchors=(TSE.issuer.root,)))
    assert _codes(report) == {Code.CHAIN_BROKEN: 1}


def test_issuers_may_come_from_the_trusted_ones(check: Check) -> None:
    alone = (
        INFO_MEMBER
        + member("cert.pem", pem(TSE.leaf), mtime=NOW)
        + b"".join(log_member(message) for message in MESSAGES)
        + END
    )
    assert _codes(check(alone)) == {Code.CHAIN_INCOMPLETE: 1}
    assert _codes(check(alone, Options(anchors=(TSE.issuer.ca,)))) == {}
    assert _codes(check(alone, Options(anchors=(TSE.issuer.root,)))) == {Code.CHAIN_BROKEN: 1}
    assert _codes(check(alone, Options((TSE.issuer.ca,), (TSE.issuer.root,)))) == {}


def test_a_chain_with_a_link_missing_is_broken(check: Check) -> None:
    holed = EXPORT.replace(TSE.certificate_member(), member("cert.pem", pem(TSE.leaf, TSE.issuer.root), mtime=NOW))
    assert _codes(check(holed)) == {Code.CHAIN_BROKEN: 1, Code.CHAIN_UNANCHORED: 1}


def test_the_certificate_must_be_valid_at_log_time_not_today(check: Check) -> None:
    tse = Tse(days=10)
    messages = [tse.system(time=NOW - 2 * DAY), *tse.receipt(1), *tse.receipt(2, time=NOW + 20 * DAY)]
    report = check(tse.export(messages), Options(anchors=(tse.issuer.root,)))
    assert report.counts.valid == 5
    assert _codes(report) == {Code.CERTIFICATE_EARLY: 1, Code.CERTIFICATE_EXPIRED: 2}


def test_a_clock_that_was_never_set_is_a_note(check: Check) -> None:
    tse = Tse()
    report = check(tse.export([tse.system("initialize", time=0), *tse.receipt(1)]))
    assert _codes(report) == {Code.TIME_UNSET: 1, Code.CHAIN_UNANCHORED: 1}


def test_a_store_is_a_directory_or_files(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "root.crt").write_bytes(TSE.issuer.root.public_bytes(Encoding.DER))
    (tmp_path / "ca.pem").write_bytes(pem(TSE.issuer.ca))
    (tmp_path / "README").write_text("not a certificate")
    assert load_trust([tmp_path]) == (TSE.issuer.ca, TSE.issuer.root)
    assert load_trust([tmp_path / "ca.pem"]) == (TSE.issuer.ca,)
    assert load_trust([]) is None


def test_a_store_that_trusts_nobody_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("not a certificate")
    (tmp_path / "export.tar").write_bytes(EXPORT)  # it holds certificates, but whoever made it did so, too
    for path, reason in [
        (tmp_path, "no certificate in"),
        (tmp_path / "README", "not a certificate"),
        (tmp_path / "export.tar", "not a certificate"),
        (tmp_path / "nowhere", "No such file"),
    ]:
        with pytest.raises(ConfigurationError, match=reason):
            load_trust([path])


def test_a_certificate_file_beside_a_message_gives_its_key(check: Check, tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_bytes(pem(*TSE.chain))
    (tmp_path / "leaf.cer").write_bytes(TSE.leaf.public_bytes(Encoding.DER))
    assert _codes(check(MESSAGES[0], name="a.log")) == {Code.KEY_MISSING: 1}
    found = certificates_in([str(chain), str(tmp_path / "leaf.cer"), str(tmp_path / "a.log"), "V0;x", "/nowhere"])
    assert found == (*TSE.chain, TSE.leaf)
    assert _codes(check(MESSAGES[0], Options(found), name="a.log")) == {Code.CHAIN_UNANCHORED: 1}


def _codes(report: FileReport) -> dict[Code, int]:
    return {code: found.count for code, found in report.findings.items()}
