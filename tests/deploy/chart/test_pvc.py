"""pvc.yaml: the state outlives the release."""

from tests.deploy.chart.chart import objects, one, pod


def test_the_claim_is_kept_when_the_release_goes() -> None:
    found = objects({"persistence": {"size": "2Gi", "storageClass": "local-path"}})
    claim = one(found, "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"]["resources"] == {"requests": {"storage": "2Gi"}}
    mounted = {volume["name"]: volume for volume in pod(found)["volumes"]}["state"]
    assert mounted["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"] == "shop-tse-gateway"


def test_a_claim_of_the_shop_is_used_instead() -> None:
    found = objects({"persistence": {"existingClaim": "mine"}})
    assert not [it for it in found if it["kind"] == "PersistentVolumeClaim"]
    mounted = {volume["name"]: volume for volume in pod(found)["volumes"]}["state"]
    assert mounted["persistentVolumeClaim"]["claimName"] == "mine"
