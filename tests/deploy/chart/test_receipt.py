"""tests/receipt.yaml: what `helm test` runs is run here, beside a gateway with a simulated TSE."""

import asyncio
import socket
import sys
from pathlib import Path

from gateway.tse.info import TseInfo
from tests.deploy.chart.chart import Object, everything, example, objects, pod
from tests.server.shop import TOKEN, Served, serve, settings_for

_SERVICE = "https://shop-tse-gateway.tse.svc:4433"


def pod_of_the_test(given: Object) -> Object:
    (it,) = [found["spec"] for found in everything(given) if found["kind"] == "Pod"]
    found: Object = it
    return found


def signatures(gateway: Served) -> int:
    return TseInfo.decode(gateway.tse.read_info()).created_signatures


async def run(spec: Object, **environment: str) -> tuple[int, str]:
    """Status and output of the pod's command, with another URL than the Service's."""
    (container,) = spec["containers"]
    assert container["command"][1:] == ["-I", "-c"]
    assert {entry["name"]: entry.get("value") for entry in container["env"]}["URL"] == _SERVICE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", *container["args"]),
        env={"PATH": "/usr/bin:/bin", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 100)
    return process.returncode or 0, out.decode() + err.decode()


async def test_a_release_with_a_simulated_tse_signs_by_its_own_token(tmp_path: Path) -> None:
    spec = pod_of_the_test({"secrets": {"apiToken": TOKEN}})
    (token,) = [entry["valueFrom"] for entry in spec["containers"][0]["env"] if entry["name"] == "TOKEN"]
    assert token == {"secretKeyRef": {"name": "shop-tse-gateway", "key": "api-token"}}
    async with serve(settings_for(tmp_path, simulator_fresh=False)) as gateway:
        before = signatures(gateway)
        status, said = await run(spec, URL=gateway.url, TOKEN=f"{TOKEN}\n123456 until 2026-12-31")
        assert status == 0, said
        assert signatures(gateway) >= before + 2
    assert "V0;POS-1;Kassenbeleg-V1;Beleg^1.19_0.00_0.00_0.00_0.00^1.19:Bar;" in said


async def test_another_release_is_asked_whether_it_lives_and_the_pod_signs_itself(tmp_path: Path) -> None:
    spec = pod_of_the_test(example("disk"))
    assert "TOKEN" not in {entry["name"] for entry in spec["containers"][0]["env"]}
    state = {volume["name"]: volume for volume in spec["volumes"]}["state"]
    assert "emptyDir" in state
    root = str(Path(__file__).parents[3])
    async with serve(settings_for(tmp_path)) as gateway:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = str(probe.getsockname()[1])
        own = {"PORT": port, "GATEWAY_STATE_DIR": str(tmp_path / "own"), "PYTHONPATH": root}
        before = signatures(gateway)
        status, said = await run(spec, URL=gateway.url, **own)
        assert (status, signatures(gateway)) == (0, before), said
    assert f"{gateway.url} answers" in said
    assert "V0;POS-1;Kassenbeleg-V1;" in said


def test_the_pod_runs_the_image_of_the_release_where_the_release_runs() -> None:
    given = example("tuned") | {"nodeSelector": {"tse": "true"}}
    test, gateway = pod_of_the_test(given), pod(objects(given))
    assert test["containers"][0]["image"] == gateway["containers"][0]["image"]
    for name in ("nodeSelector", "tolerations", "imagePullSecrets"):
        assert test[name] == gateway[name]
