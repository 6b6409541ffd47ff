"""extra.yaml: objects of the shop are part of the release."""

from tests.deploy.chart.chart import objects


def test_objects_of_the_shop_are_part_of_the_release_and_may_name_it() -> None:
    middleware = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "{{ .Release.Name }}-tills"},
    }
    other = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "limits"}}
    found = {it["kind"]: it["metadata"]["name"] for it in objects({"extraObjects": [middleware, other]})}
    assert found["Endpoints"] == "shop-tills"
    assert found["LimitRange"] == "limits"
