"""What alertmanager.yaml makes of alerts: a real Alertmanager is given them and asked whom it would tell."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.prometheus import free_port

CONFIG = Path("compose/monitoring/alertmanager.yaml").resolve()
PROGRAM = next(filter(None, map(shutil.which, ("prometheus-alertmanager", "alertmanager"))), None)
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs Alertmanager (package prometheus-alertmanager)")
_SHOPS = [f"shop-{number}" for number in range(40)]

Alert = dict[str, str]
Messages = Callable[..., list[tuple[str, str, set[str]]]]


@pytest.fixture
def messages(tmp_path: Path) -> Iterator[Messages]:
    """Give it alerts; what comes back is receiver, site and names of the alerts of each message."""
    url = f"http://127.0.0.1:{free_port()}"
    options = [
        f"--config.file={CONFIG}",
        f"--storage.path={tmp_path}",
        "--log.level=error",
        "--cluster.listen-address=",
    ]
    process = subprocess.Popen([str(PROGRAM), *options, f"--web.listen-address={url.removeprefix('http://')}"])

    def told(*alerts: Alert) -> list[tuple[str, str, set[str]]]:
        given = [{"labels": {"component": "tse-gateway"} | alert} for alert in alerts]
        _until_it_answers(process, f"{url}/-/ready")
        _asked(f"{url}/api/v2/alerts", given)
        found: list[Any] = []
        while sum(len(group["alerts"]) for group in found) < len(alerts):
            found = json.loads(_asked(f"{url}/api/v2/alerts/groups"))
        names = [
            (
                group["receiver"]["name"],
                group["labels"].get("site", ""),
                {it["labels"]["alertname"] for it in group["alerts"] if not it["status"]["inhibitedBy"]},
            )
            for group in found
        ]
        return sorted((receiver, site, left) for receiver, site, left in names if left)

    try:
        yield told
    finally:
        process.terminate()
        process.wait()


def _until_it_answers(process: "subprocess.Popen[bytes]", url: str) -> None:
    while True:
        assert process.poll() is None, "Alertmanager ended"
        try:
            _asked(url)
        except urllib.error.URLError:
            time.sleep(0.1)  # it tells of no event
        else:
            return


def _asked(url: str, body: object = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, {"Content-Type": "application/json"})) as answer:
        text: bytes = answer.read()
    return text


def of(name: str, site: str = "", severity: str = "critical") -> Alert:
    return {"alertname": name, "severity": severity} | ({"site": site} if site else {})


def test_many_sites_that_are_missing_are_one_message(messages: Messages) -> None:
    missing = [of(name, site) for name in ("SiteMissing", "GatewayMissing") for site in _SHOPS]
    watch = of("DeadMansSwitch", severity="none")
    assert messages(*missing, of("SitesMissing"), watch) == [
        ("dead-mans-switch", "", {"DeadMansSwitch"}),
        ("nobody", "", {"SitesMissing"}),
    ]


def test_a_missing_site_is_one_message_whatever_else_is_wrong_there(messages: Messages) -> None:
    names = ("SiteMissing", "GatewayMissing", "TseDown", "SiteCannotSign", "SigningLate")
    elsewhere = of("TseDown", "Ulm") | {"serial": "AB"}
    both = [elsewhere, elsewhere | {"alertname": "TseFlapping", "severity": "warning"}]
    assert messages(*(of(name, "Köln") for name in names), *both) == [
        ("nobody", "Köln", {"SiteMissing"}),
        ("nobody", "Ulm", {"TseDown"}),
    ]
