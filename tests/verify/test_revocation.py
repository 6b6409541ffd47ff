"""Revocation, with certificates and lists of openssl."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.cli.findings import ERRORS
from gateway.cli.verify import verify_files
from gateway.errors import ConfigurationError
from gateway.tse.tar import END, member
from gateway.verify.files import Options, verify_file
from gateway.verify.findings import Code, FileReport
from gateway.verify.revocation import load_revocation, standing_of
from gateway.verify.trust import load_trust
from tests.verify.exports import INFO_MEMBER, NOW, Tse, log_member, pem
from tests.verify.openssl_ca import DAY, OpensslCa, tse_of

CHECKED = NOW + 10 * DAY  # when the auditor checks
SECOND = NOW + 2 * DAY  # two messages at `NOW`, two then


@dataclass(frozen=True)
class Shop:
    """An export of a TSE, its authorities, and the lists that an auditor has."""

    root: OpensslCa
    ca: OpensslCa
    tse: Tse
    export: Path
    lists: Path

    def list_of(self, authority: OpensslCa, *, made: int = CHECKED - DAY, **how: object) -> Path:
        how.setdefault("obtained", CHECKED - 60)
        return authority.revocation_list(self.lists / f"{authority.name}.crl", made=made, **how)  # type: ignore[arg-type]

    def check(self, *, now: int = CHECKED) -> FileReport:
        moment = datetime.fromtimestamp(now, UTC)
        revocation = load_revocation([self.lists], moment)
        return verify_file(str(self.export), Options((), (self.root.certificate,), revocation))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    place = tmp_path_factory.mktemp("pki")
    root = OpensslCa.create(place / "root", "root")
    ca = OpensslCa.create(place / "ca", "ca", root)
    tse = tse_of(root, ca)
    (place / "lists").mkdir()
    (place / "export.tar").write_bytes(tse.export([*tse.receipt(1), *tse.receipt(2, time=SECOND)]))
    shop = Shop(root, ca, tse, place / "export.tar", place / "lists")
    shop.list_of(root)
    shop.list_of(ca)
    return shop


@pytest.fixture
def shop(original: Shop, tmp_path: Path) -> Shop:
    """A copy with current lists on which nothing is revoked."""
    shutil.copytree(original.export.parent, tmp_path / "pki")
    root, ca = (OpensslCa(tmp_path / "pki" / name, name) for name in ("root", "ca"))
    return Shop(root, ca, original.tse, tmp_path / "pki" / "export.tar", tmp_path / "pki" / "lists")


def test_a_chain_that_current_lists_do_not_name_is_in_order(shop: Shop) -> None:
    report = shop.check()
    assert (_codes(report), report.counts.valid, report.revocation_checked) == ({}, 4, True)


def test_openssl_comes_to_the_same_verdict(shop: Shop) -> None:
    assert _openssl_accepts(shop)
    shop.ca.revoke(shop.tse.leaf, NOW - 60)
    shop.list_of(shop.ca)
    assert not _openssl_accepts(shop)
    assert _codes(shop.check()) == {Code.CERTIFICATE_REVOKED: 4}


@pytest.mark.parametrize(
    ("revoked", "invalid_from", "found"),
    [
        (NOW - 60, None, {Code.CERTIFICATE_REVOKED: 4}),
        (NOW + DAY, None, {Code.CERTIFICATE_REVOKED: 2}),
        (SECOND, None, {Code.CERTIFICATE_REVOKED: 2}),
        (SECOND + 1, None, {Code.CERTIFICATE_REVOKED_LATER: 1}),
        (SECOND + 1, NOW + 1, {Code.CERTIFICATE_REVOKED: 2}),
        (SECOND + 1, NOW - 60, {Code.CERTIFICATE_REVOKED: 4}),
    ],
)
def test_a_message_must_be_signed_before_the_revocation_and_the_invalidity_date(
    shop: Shop, revoked: int, invalid_from: int | None, found: dict[Code, int]
) -> None:
    shop.ca.revoke(shop.tse.leaf, revoked, invalid_from)
    shop.list_of(shop.ca)
    report = shop.check()
    assert (_codes(report), report.counts.valid, report.revocation_checked) == (found, 4, True)


def test_a_revoked_authority_takes_its_tses_along(shop: Shop) -> None:
    shop.root.revoke(shop.ca.certificate, NOW + DAY)
    shop.list_of(shop.root)
    assert _codes(shop.check()) == {Code.CERTIFICATE_REVOKED: 2}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda shop: shop.list_of(shop.ca, made=CHECKED - 3 * DAY, days=2), "out of date since"),
        (lambda shop: shop.list_of(shop.ca, made=CHECKED + 60), "is not valid before"),
        (lambda shop: shop.list_of(shop.ca, made=CHECKED - 3 * DAY, obtained=CHECKED - DAY), "more than 24 hours ago"),
        (lambda shop: (shop.lists / "ca.crl").unlink(), "no list of its issuer"),
        (lambda shop: shop.list_of(shop.ca, kind="some_reasons"), "no list of its issuer"),
        (lambda shop: shop.list_of(shop.ca, kind="delta"), "no list of its issuer"),
        (lambda shop: shop.list_of(shop.root, kind="only_users"), "no list of its issuer"),
        (lambda shop: shop.list_of(OpensslCa.create(shop.lists.parent / "other", "ca")), "no list of its issuer"),
    ],
)
def test_without_a_current_list_of_the_issuer_revocation_is_not_checked(
    shop: Shop, spoil: Callable[[Shop], object], reason: str
) -> None:
    spoil(shop)
    report = shop.check()
    assert (_codes(report), report.revocation_checked) == ({Code.REVOCATION_UNCHECKED: 1}, False)
    assert reason in dict(report.findings.items())[Code.REVOCATION_UNCHECKED].examples[0].detail.en


def test_a_list_for_users_alone_is_enough_for_a_tse(shop: Shop) -> None:
    shop.list_of(shop.ca, kind="only_users")
    assert _codes(shop.check()) == {}


def test_a_list_that_is_out_of_date_still_proves_a_revocation(shop: Shop) -> None:
    shop.ca.revoke(shop.tse.leaf, NOW - 60)
    shop.list_of(shop.ca, made=CHECKED - 3 * DAY, days=2)
    assert _codes(shop.check()) == {Code.CERTIFICATE_REVOKED: 4, Code.REVOCATION_UNCHECKED: 1}


def test_the_newest_list_counts(shop: Shop) -> None:
    shop.list_of(shop.ca, made=CHECKED - 2 * DAY).rename(shop.lists / "older.crl")
    shop.ca.revoke(shop.tse.leaf, NOW - 60)
    shop.list_of(shop.ca, made=CHECKED - DAY)
    assert _codes(shop.check()) == {Code.CERTIFICATE_REVOKED: 4}


def test_issuers_that_the_export_lacks_come_from_the_trusted_ones(shop: Shop) -> None:
    tse, now = shop.tse, datetime.fromtimestamp(CHECKED, UTC)
    alone = member("cert.pem", pem(tse.leaf), mtime=NOW) + b"".join(map(log_member, tse.receipt(3)))
    shop.export.write_bytes(INFO_MEMBER + alone + END)
    trusted = Options((), load_trust([shop.root.certificate_file, shop.ca.certificate_file]))
    assert _codes(verify_file(str(shop.export), trusted)) == {Code.COUNTER_PARTIAL: 1}
    shop.root.revoke(shop.ca.certificate, NOW - 60)
    shop.list_of(shop.root)
    with_lists = replace(trusted, revocation=load_revocation([shop.lists], now))
    found = _codes(verify_file(str(shop.export), with_lists))
    assert found == {Code.CERTIFICATE_REVOKED: 2, Code.COUNTER_PARTIAL: 1}


def test_a_message_alone_and_a_certificate_that_nobody_has(shop: Shop) -> None:
    shop.ca.revoke(shop.tse.leaf, NOW - 60)
    shop.list_of(shop.ca)
    file = shop.lists.parent / "a.log"
    file.write_bytes(shop.tse.step(3))
    revocation = load_revocation([shop.lists], datetime.fromtimestamp(CHECKED, UTC))
    known = verify_file(str(file), Options(shop.tse.chain, (shop.root.certificate,), revocation))
    assert _codes(known) == {Code.CERTIFICATE_REVOKED: 1}
    unknown = verify_file(str(file), Options((), (shop.root.certificate,), revocation))
    assert _codes(unknown) == {Code.KEY_MISSING: 1, Code.REVOCATION_UNCHECKED: 1}


def test_lists_may_be_pem_or_der_and_many_in_one_file(shop: Shop) -> None:
    both = b"".join((shop.lists / f"{name}.crl").read_bytes() for name in ("root", "ca"))
    now = datetime.fromtimestamp(CHECKED, UTC)
    (shop.lists / "both.pem").write_bytes(both)
    (shop.lists / "certificate.pem").write_bytes(shop.ca.certificate_file.read_bytes())
    pem = x509.load_pem_x509_crl((shop.lists / "ca.crl").read_bytes())
    (shop.lists / "ca.crl").write_bytes(pem.public_bytes(Encoding.DER))
    assert len(load_revocation([shop.lists], now).lists) == 4
    assert len(load_revocation([shop.lists / "both.pem", shop.lists / "ca.crl"], now).lists) == 3
    assert load_revocation([], now).lists == ()


def test_what_is_no_list_is_an_error(shop: Shop) -> None:
    (shop.lists / "empty").mkdir()
    pem = x509.load_pem_x509_crl(shop.list_of(shop.ca, kind="only_users").read_bytes())
    third = pem.public_bytes(Encoding.DER).replace(b"\x02\x01\x01", b"\x02\x01\x03", 1)
    (shop.lists / "version.crl").write_bytes(third)
    for path, reason in [
        (shop.lists / "empty", "no revocation list in"),
        (shop.ca.certificate_file, "is not a revocation list"),
        (shop.lists / "version.crl", "is not a revocation list: 3 is not a valid CRL version"),
        (shop.lists / "nowhere", "No such file"),
    ]:
        with pytest.raises(ConfigurationError, match=reason):
            load_revocation([path], datetime.fromtimestamp(CHECKED, UTC))


@given(place=st.integers(0, 2**16), value=st.integers(1, 255), size=st.integers(0, 2**16))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_changed_list_hides_a_revocation(revoking: Shop, place: int, value: int, size: int) -> None:
    pem = x509.load_pem_x509_crl((revoking.lists / "ca.crl").read_bytes())
    data = bytearray(pem.public_bytes(Encoding.DER))
    data[place % len(data)] ^= value
    changed = revoking.lists.parent / "changed.crl"
    changed.write_bytes(data if size % 2 else data[: size % len(data)])
    os.utime(changed, (CHECKED, CHECKED))
    now = datetime.fromtimestamp(CHECKED, UTC)
    try:
        revocation = load_revocation([changed, revoking.lists / "root.crl"], now)
    except ConfigurationError:
        return
    leaf, *issuers = revoking.tse.chain
    standing = standing_of(leaf, (leaf, *issuers), revocation)
    assert standing.unchecked or standing.revoked_from == NOW - 60


@pytest.fixture(scope="module")
def revoking(original: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A copy whose list revokes the TSE."""
    place = tmp_path_factory.mktemp("revoking") / "pki"
    shutil.copytree(original.export.parent, place)
    root, ca = (OpensslCa(place / name, name) for name in ("root", "ca"))
    shop = Shop(root, ca, original.tse, place / "export.tar", place / "lists")
    ca.revoke(shop.tse.leaf, NOW - 60, NOW - 30)
    shop.list_of(ca)
    return shop


def test_the_command_does_not_call_in_order_what_it_did_not_check(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    export, trust = [str(shop.export)], [shop.root.certificate_file]
    assert verify_files(export, trust=trust, crl=[], language="en") == 1
    assert "=> everything checked is in order; revocation not checked\n" in capsys.readouterr().out
    assert verify_files(export, trust=trust, crl=[], language="de") == 1
    german = capsys.readouterr().out
    assert "Sperrung ungeprüft: aktuelle Sperrlisten fehlen (--crl, --fetch-crls)" in german
    assert "=> alles Geprüfte ist in Ordnung; Sperrung ungeprüft\n" in german
    assert verify_files(export, trust=trust, crl=[], as_json=True) == 1
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["severity"], told["revocation"]) == ("warning", "not checked")


def test_the_command_reads_lists(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    export, trust, now = [str(shop.export)], [shop.root.certificate_file], datetime.fromtimestamp(CHECKED, UTC)
    assert verify_files(export, trust=trust, crl=[shop.lists], now=now, language="en") == 0
    assert "=> everything checked is in order\n" in capsys.readouterr().out
    shop.ca.revoke(shop.tse.leaf, NOW + DAY)
    shop.list_of(shop.ca)
    assert verify_files(export, trust=trust, crl=[shop.lists], now=now, as_json=True) == ERRORS
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["severity"], told["revocation"], told["valid"]) == ("error", "checked", 4)
    assert verify_files(export, crl=[shop.lists / "nowhere"]) == ERRORS
    assert "No such file" in capsys.readouterr().err


def _openssl_accepts(shop: Shop) -> bool:
    call = ["openssl", "verify", "-crl_check_all", "-attime", str(CHECKED)]
    for authority in ("root", "ca"):
        call += ["-CRLfile", str(shop.lists / f"{authority}.crl")]
    call += ["-CAfile", str(shop.root.certificate_file), "-untrusted", str(shop.ca.certificate_file)]
    done = subprocess.run([*call, str(shop.ca.place / "tse.pem")], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "certificate revoked" in done.stderr, done.stderr
    return done.returncode == 0


def _codes(report: FileReport) -> dict[Code, int]:
    return {code: found.count for code, found in report.findings.items()}
