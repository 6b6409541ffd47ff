"""The chart, rendered by the real Helm, and what the gateway makes of it.

Rendering needs helm-python-sdk (see tests/deploy/README.md): tests that ask for it are left out without it.
"""

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.settings import Settings, load

CHART = Path(__file__).parents[3] / "helm/tse-gateway"
EXAMPLES = sorted(CHART.glob("examples/*.yaml"))
each_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)

Object = dict[str, Any]


def helm() -> Any:
    return pytest.importorskip("helm_python", reason="needs helm-python-sdk, see tests/deploy/README.md")


def values(path: Path) -> Object:
    found: Object = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def example(name: str) -> Object:
    return values(CHART / f"examples/{name}.yaml")


def rendered(given: Object, chart: Path = CHART) -> dict[str, str]:
    """Texts by file name; without a mode it is the simulator."""
    return _rendered(json.dumps({"mode": "simulator"} | given), chart)


@cache
def _rendered(given: str, chart: Path) -> dict[str, str]:
    with helm().Chart.load(str(chart)) as loaded:
        texts: dict[str, str] = loaded.render(json.loads(given), name="shop", namespace="tse")
    return texts


def objects(given: Object, chart: Path = CHART) -> list[Object]:
    """What an install makes; the pod of `helm test` is not part of it."""
    return [it for it in everything(given, chart) if "helm.sh/hook" not in it["metadata"].get("annotations", {})]


def everything(given: Object, chart: Path = CHART) -> list[Object]:
    texts = rendered(given, chart)
    manifests = [text for name, text in texts.items() if not name.endswith("NOTES.txt")]
    return [found for text in manifests for found in yaml.load_all(text, yaml.CSafeLoader) if found]


def notes(given: Object) -> str:
    (text,) = [text for name, text in rendered(given).items() if name.endswith("NOTES.txt")]
    return text


def one(found: list[Object], kind: str) -> Object:
    (it,) = [candidate for candidate in found if candidate["kind"] == kind]
    return it


def template(found: list[Object]) -> Object:
    it: Object = one(found, "StatefulSet")["spec"]["template"]
    return it


def pod(found: list[Object]) -> Object:
    spec: Object = template(found)["spec"]
    return spec


def container(found: list[Object]) -> Object:
    it: Object = pod(found)["containers"][0]
    return it


def refused(given: Object, told: str) -> None:
    """Helm renders nothing, and says `told`."""
    error = helm().HelmError
    with pytest.raises(error, match=told):
        rendered(given)


def settings_of(found: list[Object], tmp_path: Path) -> Settings:
    """What the gateway makes of its ConfigMap and its environment, with every secret file there."""
    (text,) = [it["data"]["gateway.toml"] for it in found if "gateway.toml" in it.get("data", {})]
    tomllib.loads(text)
    secrets = tmp_path / "secrets"
    secrets.mkdir(exist_ok=True)
    for name in ("api-token", "metrics-token", "upstream-berlin", "upstream-hamburg"):
        (secrets / name).write_text("123456")
    (secrets / "time-admin-pin").write_text("98765")
    (tmp_path / "gateway.toml").write_text(text.replace("/run/secrets/tse-gateway", str(secrets)))
    environment = {entry["name"]: entry["value"] for entry in container(found)["env"]}
    environment["GATEWAY_CONFIG"] = str(tmp_path / "gateway.toml")
    moved = {name: value.replace("/run/secrets/tse-gateway", str(secrets)) for name, value in environment.items()}
    return load(moved)
