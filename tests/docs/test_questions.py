"""Twelve questions of an administrator, each answered within two links of README.md, in German and in English."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.markdown import ROOT, heading, links, section

README = ROOT / "README.md"


class Question(NamedTuple):
    """A question, where it is answered in each language (page#anchor), what must stand there, and the words to find it.

    `searched`: what people look for, in English and German; it stands in the heading of the answer or of its page.
    """

    asked: str
    english: str
    german: str
    said: str
    searched: tuple[str, str]


QUESTIONS = (
    Question(
        "How do the tills keep the token of before?",
        "docs/administrators/moving-from-windows.md#keep-the-token-of-before",
        "docs/de/umzug-von-windows.md#das-bisherige-token-behalten",
        "GATEWAY_API_TOKEN_FILE=/run/secrets/api_token",
        ("token of before", "bisherige Token"),
    ),
    Question(
        "How do I use a certificate of my own CA?",
        "docs/administrators/certificates.md#a-certificate-of-your-own-ca",
        "docs/de/zertifikate.md#ein-zertifikat-der-eigenen-ca",
        "GATEWAY_TLS_CERTIFICATE=/run/secrets/tls.crt",
        ("certificate of your own CA", "Zertifikat der eigenen CA"),
    ),
    Question(
        "How do I get alerts as mails?",
        "docs/administrators/alert-mails.md#one-shop-the-gateway-sends-mails",
        "docs/de/alarm-mails.md#ein-laden-das-gateway-schickt-mails",
        "GATEWAY_NOTIFY_MAIL_TO=",
        ("Alert mails", "Alarm-Mails"),
    ),
    Question(
        "The TSE is in a box of SEH: how does the gateway get it?",
        "udev/README.md#usb-servers-in-the-network-seh-virtualhere-usbip",
        "docs/de/usb-server-und-vm.md#seh-myutn-und-dongleserver",
        "seh_vhcd.service",
        ("SEH", "SEH myUTN"),
    ),
    Question(
        "What must be backed up?",
        "compose/README.md#backup-and-restore",
        "docs/de/sicherung.md#was-gesichert-werden-muss",
        "/var/lib/tse-gateway",
        ("Backup", "gesichert werden muss"),
    ),
    Question(
        "Who holds the lock?",
        "docs/administrators/terminal-servers.md#who-holds-the-lock",
        "docs/de/terminalserver.md#wer-hält-die-tse-sperre",
        "tse-gateway locks show",
        ("Who holds the lock", "Sperre"),
    ),
    Question(
        "How do I look after fifty shops?",
        "docs/administrators/many-shops.md#one-playbook-for-fifty-shops",
        "docs/de/viele-filialen.md#ein-playbook-für-fünfzig-filialen",
        "ansible-playbook -i compose/fleet/inventory.yaml",
        ("fifty shops", "fünfzig Filialen"),
    ),
    Question(
        "The auditor wants the TAR export: how?",
        "docs/administrators/the-auditor-is-here.md#the-tar-export",
        "docs/de/betriebspruefung.md#der-tar-export",
        "tse-gateway archive export -o tse.tar",
        ("TAR export", "TAR-Export"),
    ),
    Question(
        "The certificate of the TSE ends: when, and what then?",
        "docs/administrators/replacing-a-tse.md#when-the-certificate-of-a-tse-ends",
        "docs/de/tse-wechseln.md#wenn-das-zertifikat-einer-tse-abläuft",
        "tse-gateway devices",
        ("certificate of a TSE ends", "Zertifikat einer TSE abläuft"),
    ),
    Question(
        "How do I rotate the token while tills sell?",
        "docs/administrators/tokens.md#rotating-a-token-while-tills-sell",
        "docs/de/tokens.md#token-wechseln-während-die-kassen-verkaufen",
        "tse-gateway token rotate lan",
        ("Rotating a token", "Token wechseln"),
    ),
    Question(
        "Tills are behind NAT: what has to be set?",
        "docs/administrators/terminal-servers.md#nat",
        "docs/de/terminalserver.md#nat",
        "GATEWAY_ADDRESS",
        ("NAT", "NAT"),
    ),
    Question(
        "Which firewall rules are needed, and how do they survive a reboot?",
        "docs/administrators/firewall.md#nftables-on-debian-and-raspberry-pi-os",
        "docs/de/firewall.md#nftables-unter-debian-und-raspberry-pi-os",
        "systemctl enable nftables",
        ("Firewall", "Firewall"),
    ),
)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.asked)
@pytest.mark.parametrize("language", ["english", "german"])
def test_a_question_is_answered_within_two_links_of_the_readme(question: Question, language: str) -> None:
    assert len({asked.asked for asked in QUESTIONS}) == 12
    name, _, anchor = getattr(question, language).partition("#")
    assert ROOT / name in within_two_links(), "link it in docs/README.md or docs/de/README.md"
    assert question.said in section(ROOT / name, anchor)
    searched = question.searched[language == "german"].lower()
    headings = (heading(ROOT / name, anchor), heading(ROOT / name))
    assert any(searched in one.lower() for one in headings), f"{searched} is in none of {headings}"


def within_two_links() -> set[Path]:
    """Return the pages that are at most two links away from README.md."""
    near = _linked(README)
    return near | {page for hub in near if hub.suffix == ".md" for page in _linked(hub)}


def _linked(page: Path) -> set[Path]:
    return {link.file / "README.md" if link.file.is_dir() else link.file for link in links(page)}
