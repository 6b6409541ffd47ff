"""secret.yaml: secrets stay in secrets; a Secret of others is used as it is."""

import json

from tests.deploy.chart.chart import container, example, objects, one, pod


def test_secrets_stay_in_secrets() -> None:
    found = objects(example("lan"))
    assert one(found, "Secret")["stringData"] == {"upstream-berlin": "466743", "upstream-hamburg": "123456"}
    assert "466743" not in json.dumps([it for it in found if it["kind"] != "Secret"])


def test_a_secret_of_others_is_mounted_and_none_is_made() -> None:
    found = objects(example("secrets-existing"))
    assert not [it for it in found if it["kind"] == "Secret"]
    mounted = {volume["secret"]["secretName"] for volume in pod(found)["volumes"] if "secret" in volume}
    assert mounted == {"shop-secrets", "shop-tls"}
    given = {entry["name"] for entry in container(found)["env"]}
    assert given >= {"GATEWAY_API_TOKEN_FILE", "GATEWAY_TIME_ADMIN_PIN_FILE"}


def test_an_external_secret_fills_the_one_that_is_mounted() -> None:
    found = objects(example("secrets-external"))
    external = one(found, "ExternalSecret")["spec"]
    mounted = {volume["secret"]["secretName"] for volume in pod(found)["volumes"] if "secret" in volume}
    assert external["target"]["name"] in mounted
    assert external["dataFrom"] == [{"extract": {"key": "shops/berlin/tse"}}]
