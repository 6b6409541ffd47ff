"""Which messages there are, to be sent or sent, in notifications.jsonl of the state directory.

{"message": {"id": "9f0c...", "kind": "problem", "key": "store_fills:43B6...", ...}, "done": {"mail": false}}
{"id": "9f0c...", "channel": "mail"}                            that channel has sent it, or gave it up

A message is written down before it is sent, and that it was sent before the next one is: so a process that is killed
sends none twice, but for the moment between the answer of the mail server and the line; then it has the same id.
"""

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from gateway.notifications.message import Message
from gateway.storage.append_log import AppendLog
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

FILE = "notifications.jsonl"
_MOST_LINES = 2000  # in the file; then it is written anew without what is over
_MOST_WAITING = 100  # for one channel


class KeptMessages:
    """The messages of the `channels` with these names; what is written down counts from then on."""

    def __init__(self, path: Path, channels: Collection[str]) -> None:
        self._log = AppendLog(path)
        self._channels = tuple(channels)
        self._messages: dict[str, Message] = {}
        self._done: dict[str, dict[str, bool]] = {}  # by id and channel
        self._lines = 0
        self._writing = asyncio.Lock()

    async def load(self) -> None:
        """Read the file, and write it anew without what is over; one that cannot be read is told and left alone."""
        try:
            for plain in await asyncio.to_thread(lambda: list(self._log.read(_checked))):
                self._take(plain)
        except OSError as error:
            self._tell(error)
        else:
            for message in self.told().values():  # a channel that is new hears what is open
                self._done[message.id] = dict.fromkeys(self._channels, False) | self._done[message.id]
            await self._rewrite()

    def told(self) -> dict[str, Message]:
        """Return the last message about each problem that was told and is not over, by its key."""
        found: dict[str, Message] = {}
        for message in self._messages.values():
            if message.kind == "problem":
                found[message.key] = message
            elif message.kind == "resolved":
                found.pop(message.key, None)
        return found

    def waiting(self, channel: str) -> list[Message]:
        """Return what a channel has to send, the oldest first."""
        return [message for message in self._messages.values() if not self._done[message.id].get(channel, True)]

    def surplus(self, channel: str) -> list[Message]:
        """Return what is to be given up because too much waits, the oldest first."""
        return self.waiting(channel)[:-_MOST_WAITING]

    async def add(self, message: Message) -> None:
        """Keep a message until each channel is done with it."""
        await self._write({"message": message.as_json(), "done": dict.fromkeys(self._channels, False)})

    async def done(self, message: Message, channel: str) -> None:
        """Note that a channel has sent a message, or gave it up."""
        await self._write({"id": message.id, "channel": channel})

    async def _write(self, plain: dict[str, Any]) -> None:
        async with self._writing:
            try:
                await asyncio.to_thread(self._log.append, plain)
            except OSError as error:  # it counts all the same as long as this process runs
                self._tell(error)
            self._take(plain)
            if self._lines > _MOST_LINES:
                await self._rewrite()

    async def _rewrite(self) -> None:
        kept = {message.id for message in self.told().values()}
        for channel in self._channels:
            kept.update(message.id for message in self.waiting(channel))
        self._messages = {name: message for name, message in self._messages.items() if name in kept}
        self._done = {name: done for name, done in self._done.items() if name in kept}
        lines = [{"message": message.as_json(), "done": self._done[name]} for name, message in self._messages.items()]
        try:
            await asyncio.to_thread(self._log.rewrite, lines)
        except OSError as error:
            self._tell(error)
        self._lines = len(lines)

    def _take(self, plain: dict[str, Any]) -> None:
        self._lines += 1
        if "message" in plain:
            message = Message.from_json(plain["message"])
            self._messages[message.id], self._done[message.id] = message, dict(plain["done"])
        elif plain["id"] in self._done:
            self._done[plain["id"]][plain["channel"]] = True

    def _tell(self, error: OSError) -> None:
        told = event(Event.DISK_TROUBLE)
        log.error("the notifications in %s cannot be kept: %s", self._log.path, error.strerror, extra=told)


def _checked(plain: dict[str, Any]) -> dict[str, Any]:
    if "message" in plain:
        Message.from_json(plain["message"])
        dict(plain["done"])
    elif not (isinstance(plain["id"], str) and isinstance(plain["channel"], str)):
        raise TypeError("no channel that is done with a message")
    return plain
