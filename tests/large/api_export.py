"""A full export by the JSON API.

`python -m tests.large.api_export PORT TOKEN SERIAL` prints bytes and SHA-256 of the archive.
"""

import asyncio
import hashlib
import sys

import aiohttp


async def main(port: int, token: str, serial: str) -> None:
    """One export."""
    digest, size = hashlib.sha256(), 0
    url = f"https://127.0.0.1:{port}/api/v1/tses/{serial}/export"
    headers, patience = {"Authorization": f"Bearer {token}"}, aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(headers=headers, timeout=patience, raise_for_status=True) as session,
        session.get(url, ssl=False) as answer,
    ):
        async for piece in answer.content.iter_chunked(1 << 20):
            digest.update(piece)
            size += len(piece)
    print(size, digest.hexdigest())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
