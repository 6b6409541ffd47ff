"""certificate.yaml: cert-manager is asked for the address that tills use."""

import pytest

from tests.deploy.chart.chart import objects, one, pod


@pytest.mark.parametrize(("address", "names"), [("tse.shop.example", "dnsNames"), ("192.168.10.5", "ipAddresses")])
def test_the_certificate_is_for_the_address_of_the_tills(address: str, names: str) -> None:
    found = objects({"address": address, "tls": {"certManager": {"enabled": True, "issuer": "company-ca"}}})
    spec = one(found, "Certificate")["spec"]
    assert spec[names] == [address]
    assert spec["issuerRef"] == {"name": "company-ca", "kind": "ClusterIssuer"}
    mounted = {volume["name"]: volume for volume in pod(found)["volumes"]}["tls"]
    assert mounted["secret"]["secretName"] == spec["secretName"]
