"""A full export as the vendor's library does it: lock, info twice, chunks of 128 blocks, acknowledge, unlock.

`python -m tests.large.lan_export PORT TOKEN` prints bytes and SHA-256 of the archive.
"""

import asyncio
import hashlib
import sys

from gateway.tse.commands import AcknowledgeExport
from gateway.tse.info import TseInfo
from gateway.tse.sectors import SECTOR
from tests.lan_client import LanClient

_CHUNK = 128
_END = 2  # blocks of zeros behind the last entry


async def export(client: LanClient) -> tuple[int, str]:
    """How many bytes, and their SHA-256."""
    digest = hashlib.sha256()
    async with client.locked():
        await client.read_info()
        blocks = TseInfo.decode(await client.read_info()).used_blocks + _END
        for first in range(0, blocks, _CHUNK):
            digest.update(await client.read_store(first, min(_CHUNK, blocks - first)))
        await client.send_command(AcknowledgeExport(blocks * SECTOR).encode())
    return blocks * SECTOR, digest.hexdigest()


async def main(port: int, token: str) -> None:
    """One export."""
    client = LanClient(port, token)
    await client.select()
    size, digest = await export(client)
    await client.close()
    print(size, digest)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
