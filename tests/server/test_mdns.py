"""The gateway announced by multicast DNS, on the loopback interface; `tests/mdns/run` shows it to avahi."""

import asyncio
import re
import socket
import sys
import uuid
from pathlib import Path

import pytest

from gateway import __version__
from gateway.config.settings import Settings
from gateway.errors import ConfigurationError
from gateway.fleet.registry import Registry
from gateway.server import mdns
from gateway.telemetry.metrics import Metrics
from tests.cli.background import call
from tests.server.shop import settings_for

LOOPBACK = ["127.0.0.1"]
PAGE = Path("docs/administrators/connect-a-pos.md").read_text(encoding="utf-8")
QUESTION = (
    "(0,0,0,0,0,1,0,0,0,0,0,0,12)+$a.GetBytes('_tse-gateway')+4+$a.GetBytes('_tcp')+5+$a.GetBytes('local')+(0,0,12,0,1)"
)
GROUP = ("224.0.0.251", 5353)


def announcing(tmp_path: Path, **given: object) -> Settings:
    return settings_for(tmp_path, mdns=True, **given)


async def test_a_gateway_is_found_by_its_site_and_tells_no_secret(tmp_path: Path) -> None:
    site = f"Köln {uuid.uuid4().hex[:8]}"
    async with mdns.announced(announcing(tmp_path, site=site), 4433, Registry(Metrics()), LOOPBACK):
        found = [gateway for gateway in await mdns.find(1.0, LOOPBACK) if gateway.site == site]
    assert found == [mdns.FoundGateway(site, "127.0.0.1", 4433, 0, __version__)]


async def test_whoever_has_no_mdns_finds_it_by_one_question_from_any_port(tmp_path: Path) -> None:
    """As the line of PowerShell in the documentation does: one packet, and answers to its own port (RFC 6762, 6.7)."""
    assert QUESTION in PAGE
    labels = re.findall(r"'([a-z_-]+)'", QUESTION)
    name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    question = bytes((0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)) + name + bytes((0, 12, 0, 1))
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        asking.bind(("127.0.0.1", 0))
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        async with mdns.announced(announcing(tmp_path), 4433, Registry(Metrics()), LOOPBACK), asyncio.timeout(10):
            await loop.sock_sendto(asking, question, GROUP)
            answer, (address, _) = await loop.sock_recvfrom(asking, 9000)
    assert address == "127.0.0.1"
    assert b"_tse-gateway" in answer


def test_without_zeroconf_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("zeroconf", "zeroconf.asyncio"):
        monkeypatch.setitem(sys.modules, name, None)

    async def announce() -> None:
        async with mdns.announced(announcing(tmp_path), 4433, Registry(Metrics())):
            pass

    with pytest.raises(ConfigurationError, match=r"install tse-gateway\[mdns\]"):
        asyncio.run(announce())
    assert "install tse-gateway[mdns]" in call("discover", {}).err


def test_names_of_sites_fit_into_a_label() -> None:
    assert mdns._instance("Filiale\n" + "ö" * 60) == "Filiale" + "ö" * 28
