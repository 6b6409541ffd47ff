"""What aiohttp can do here without a gateway: `python -m tests.bench.bare CHAIN TOKEN` prints its port and serves.

POST /command    compares the token, decodes JSON and base64, and answers with 200 bytes as the gateway does
GET /stream      as many bytes as ?size says, in pieces of 1 MiB
"""

import asyncio
import base64
import hmac
import json
import ssl
import sys

from aiohttp import web

_PIECE = bytes(1 << 20)


def application(token: str) -> web.Application:
    """The two handlers."""
    expected = "Basic " + base64.b64encode(f"lantse:{token}".encode()).decode()

    async def command(request: web.Request) -> web.Response:
        if not hmac.compare_digest(request.headers.get("Authorization", ""), expected):
            raise web.HTTPUnauthorized
        base64.b64decode(json.loads(await request.read())["data"])
        return web.Response(body=b'{"data": "' + base64.b64encode(bytes(200)) + b'"}', content_type="application/json")

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(int(request.query["size"]) // len(_PIECE)):
            await response.write(_PIECE)
        return response

    app = web.Application()
    app.add_routes([web.post("/command", command), web.get("/stream", stream)])
    return app


async def main(chain: str, token: str) -> None:
    """Serve until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    runner = web.AppRunner(application(token), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    print(f"serves on port {runner.addresses[0][1]} with 0", file=sys.stderr, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
