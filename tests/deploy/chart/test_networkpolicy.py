"""networkpolicy.yaml: who gets in, and where the gateway gets out."""

from tests.deploy.chart.chart import everything, example, objects, one


def test_only_tills_and_the_test_of_the_release_reach_the_port_of_the_tills() -> None:
    given = example("monitored")
    tills, monitoring = one(objects(given), "NetworkPolicy")["spec"]["ingress"]
    (test,) = [it for it in everything(given) if it["kind"] == "Pod"]
    assert tills["ports"] == [{"protocol": "TCP", "port": 4433}]
    assert tills["from"] == [
        *given["networkPolicy"]["tills"],
        {"podSelector": {"matchLabels": test["metadata"]["labels"]}},
    ]
    assert monitoring["from"] == given["networkPolicy"]["monitoring"]


def test_a_gateway_of_other_connectors_gets_out_to_them() -> None:
    ports = [
        port["port"]
        for rule in one(objects(example("lan")), "NetworkPolicy")["spec"]["egress"]
        for port in rule["ports"]
    ]
    assert ports == [53, 53, 123, 4433, 4433]
