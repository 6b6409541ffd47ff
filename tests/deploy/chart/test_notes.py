"""NOTES.txt: the three values for the POS, and which level of Pod Security the release needs."""

import re
from pathlib import Path

import pytest

from tests.deploy.chart.chart import CHART, Object, each_example, everything, notes, objects, one, pod, values
from tests.deploy.chart.pod_security import level

_ROW = re.compile(r"^\| `(\w+)` \|[^|]*\| \**(\w+)[^|]*\|", re.MULTILINE)


@each_example
def test_the_notes_tell_the_three_values(path: Path) -> None:
    given, text = values(path), notes(values(path))
    assert given.get("address", "shop-tse-gateway.tse.svc") in text
    assert "4433" in text
    assert "session.txt" in text
    assert one(objects(given), "StatefulSet")["metadata"]["name"] + "-0 -- cat session.txt" in text
    assert ("This TSE is simulated" in text) == (given["mode"] == "simulator")


def told(text: str) -> str:
    (found,) = re.findall(r'Pod Security: the level "(\w+)"', text)
    return str(found)


@each_example
def test_the_notes_tell_the_level_of_pod_security_that_admits_the_pod(path: Path) -> None:
    assert told(notes(values(path))) == level(pod(objects(values(path))))


@pytest.mark.parametrize(
    ("given", "because"),
    [
        ({"hostPort": True}, "hostPort"),
        ({"hostNetwork": True}, "hostNetwork"),
        ({"persistence": {"type": "hostPath", "hostPath": "/srv/tse"}}, "persistence.type"),
        ({"extraVolumes": [{"name": "logs", "hostPath": {"path": "/var/log"}}]}, "logs of extraVolumes"),
    ],
)
def test_what_needs_the_level_privileged_is_named(given: Object, because: str) -> None:
    text = notes(given)
    assert told(text) == level(pod(objects(given))) == "privileged"
    assert because in text
    assert "kubectl label namespace tse pod-security.kubernetes.io/enforce=privileged" in text


def test_the_pod_of_helm_test_needs_no_more_than_the_level_restricted() -> None:
    (test,) = [it for it in everything({"mode": "disk", "address": "a"}) if it["kind"] == "Pod"]
    assert level(test["spec"]) == "restricted"


def test_the_table_of_the_readme_tells_the_level_of_each_mode() -> None:
    least: dict[str, Object] = {
        "simulator": {},
        "disk": {"address": "a"},
        "volume": {"address": "a", "volume": {"serials": ["1F" * 32]}},
        "plugin": {"address": "a", "plugin": {"resource": "squat.ai/tse"}},
        "lan": {
            "address": "a",
            "lan": {"upstreams": [{"url": "https://b", "tokenKey": "k"}]},
            "secrets": {"extra": {"k": "123456"}},
        },
    }
    _, _, section = (CHART / "README.md").read_text(encoding="utf-8").partition("a replugged TSE |\n")
    table = dict(_ROW.findall(section.partition("There is no default")[0]))
    assert table == {mode: level(pod(objects({"mode": mode} | given))) for mode, given in least.items()}
