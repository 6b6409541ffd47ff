"""service.yaml: tills reach the pod, by a port that may be fixed."""

from pathlib import Path

from tests.deploy.chart.chart import each_example, objects, template, values


@each_example
def test_tills_reach_the_pod_by_the_service(path: Path) -> None:
    found = objects(values(path))
    for service in [it for it in found if it["kind"] == "Service"]:
        assert service["spec"]["selector"].items() <= template(found)["metadata"]["labels"].items()


def test_the_port_of_the_nodes_is_fixed_on_wish() -> None:
    (service,) = [it for it in objects({"service": {"type": "NodePort"}}) if it["kind"] == "Service"]
    assert "nodePort" not in service["spec"]["ports"][0]
    given = {"service": {"type": "NodePort", "nodePort": 30443}}
    (service,) = [it for it in objects(given) if it["kind"] == "Service"]
    assert service["spec"]["ports"][0]["nodePort"] == 30443
