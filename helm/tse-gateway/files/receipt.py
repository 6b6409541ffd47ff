"""`helm test`: does the gateway of the release live, and does a simulated TSE sign a receipt in this cluster?

URL is the Service of the release. With TOKEN, the LAN token of a release in mode simulator, that release signs; in all
other modes a gateway in this pod does, since a receipt of a certified TSE would count. Certificates are not checked: a
gateway's own CA is not known here.
"""

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

_PATIENCE = 100  # seconds for the release, and again for the gateway of this pod
_RECEIPT = {
    "client_id": "POS-1",
    "process_type": "Kassenbeleg-V1",
    "process_data": "Beleg^1.19_0.00_0.00_0.00_0.00^1.19:Bar",
}


def main() -> None:
    """Print what was signed; ends with a sentence and status 1 if anything fails."""
    url, token = os.environ["URL"], os.environ.get("TOKEN", "").partition("\n")[0]
    wait(f"{url}/healthz")
    print(f"{url} answers")
    if token:
        sign(url, token)
        return
    port = os.environ.get("PORT", "4433")
    command = [sys.executable, "-m", "gateway", "serve", "--simulator", "1", "--port", port, "--bind", "127.0.0.1"]
    gateway = subprocess.Popen(command, env=dict(os.environ, GATEWAY_API_TOKEN="helm-test"))
    try:
        sign(f"https://127.0.0.1:{port}", "helm-test")
    finally:
        gateway.terminate()
        gateway.wait()


def sign(url: str, token: str) -> None:
    """Have the first TSE of the gateway sign a receipt."""
    wait(f"{url}/readyz")
    serial = ask(f"{url}/api/v1/tses", token)[0]["serial"]
    signed = ask(f"{url}/api/v1/tses/{serial}/sign", token, _RECEIPT)
    if signed["certified"]:
        sys.exit("a certified TSE has signed: this test is for simulated ones")
    print(f"{url}: simulated TSE {serial[:8]} signed:\n{signed['qr_text']}")


def wait(url: str) -> None:
    """Return when `url` answers with status 200."""
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            ask(url)
        except OSError as error:
            if time.monotonic() > ends:
                sys.exit(f"{url} does not answer as it should: {error}")
            time.sleep(1)
        else:
            return


def ask(url: str, token: str = "", body: object = None) -> dict:
    """Return the JSON that the gateway answers."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)
    with urllib.request.urlopen(request, timeout=60, context=ssl._create_unverified_context()) as response:
        return json.load(response)


main()
