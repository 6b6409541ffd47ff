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


def test_a_gateway_that_sends_mails_gets_out_to_their_server() -> None:
    mail = {"to": [{"ipBlock": {"cidr": "192.0.2.25/32"}}], "ports": [{"protocol": "TCP", "port": 587}]}
    given = {"networkPolicy": {"enabled": True, "egress": [mail]}}
    names, sent = one(objects(given), "NetworkPolicy")["spec"]["egress"]
    assert sent == mail
    assert [port["port"] for port in names["ports"]] == [53, 53, 123]
