"""serviceaccount.yaml: none unless asked for; made, or one that is there."""

from tests.deploy.chart.chart import objects, one, pod


def test_the_pod_runs_as_the_account_that_is_made_named_or_the_default() -> None:
    plain = objects({})
    assert not [it for it in plain if it["kind"] == "ServiceAccount"]
    assert pod(plain)["serviceAccountName"] == "default"
    assert pod(objects({"serviceAccount": {"name": "tse"}}))["serviceAccountName"] == "tse"
    made = objects({"serviceAccount": {"create": True, "annotations": {"note": "1"}}})
    account = one(made, "ServiceAccount")
    assert account["metadata"]["name"] == pod(made)["serviceAccountName"] == "shop-tse-gateway"
    assert account["metadata"]["annotations"] == {"note": "1"}
    assert account["automountServiceAccountToken"] is False
