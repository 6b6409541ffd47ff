"""What the chart makes for operators, against the models of their definitions. Run by tests/deploy/other-programs.

Needs helm-python-sdk, PyYAML and the packages cloudcoil-models-*, in an environment of their own: cloudcoil brings a
plugin for pytest that does not load without more packages.
"""

import importlib
from pathlib import Path
from typing import Any

import helm_python
import yaml

CHART = Path(__file__).parents[2] / "helm/tse-gateway"
MODELS = {
    "ServiceMonitor": "prometheus_operator",
    "PrometheusRule": "prometheus_operator",
    "Certificate": "cert_manager",
}


def main() -> None:
    """All examples; ends with a traceback at the first that does not fit."""
    seen = dict.fromkeys(MODELS, 0)
    for path in sorted(CHART.glob("examples/*.yaml")):
        with helm_python.Chart.load(str(CHART)) as chart:
            texts = chart.render(yaml.safe_load(path.read_text(encoding="utf-8")), name="shop", namespace="tse")
        for name, text in texts.items():
            for found in [] if name.endswith("NOTES.txt") else yaml.safe_load_all(text):
                if found and found["kind"] in MODELS:
                    check(found)
                    seen[found["kind"]] += 1
    assert all(seen.values()), f"no example has all of them: {seen}"
    print(f"custom resources fit their models: {seen}")


def check(found: dict[str, Any]) -> None:
    """Its model takes it, and gives all of it back: a field that the model does not know would be missing."""
    module = importlib.import_module(f"cloudcoil.models.{MODELS[found['kind']]}.v1")
    model = getattr(module, found["kind"])
    assert _back(model, found) == found, f"{found['kind']} has fields that its definition does not know"
    wrong = {**found, "spec": {**found["spec"], "nonsense": 1}}
    assert _back(model, wrong) != wrong, "this check finds nothing"


def _back(model: Any, found: dict[str, Any]) -> Any:
    return model.model_validate(found).model_dump(by_alias=True, exclude_unset=True, mode="json")


if __name__ == "__main__":
    main()
