"""What a simulated TSE forgets without power: logins, time, self test, and work under way."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from gateway.simulator.assumptions import SELF_TEST_VALID, TIME_SYNC_DELAY
from gateway.tse.commands import OpenImport, User
from gateway.tse.sectors import SECTOR


class SelfTestOutcome(Enum):
    """Outcome of the last self test since power-up."""

    NOT_RUN = 0
    FAILED = 1
    PASSED = 2


@dataclass
class Import:
    """One step of a transaction between its announcement and its signature; `block` is where its data go."""

    request: OpenImport
    block: int
    blocks: dict[int, bytes] = field(default_factory=dict)

    @property
    def block_count(self) -> int:
        """Blocks that the announced data take."""
        return -(-self.request.data_length // SECTOR)

    @property
    def complete(self) -> bool:
        """Whether the host has written every block."""
        return len(self.blocks) == self.block_count

    def write(self, block: int, data: bytes) -> None:
        """Keep the blocks that belong to this import; others concern nobody."""
        for index in range(len(data) // SECTOR):
            place = block + index - self.block
            if 0 <= place < self.block_count:
                self.blocks[place] = bytes(data[index * SECTOR : (index + 1) * SECTOR])

    def process_data(self) -> bytes:
        """Return the announced data; only once they are complete."""
        joined = b"".join(self.blocks[place] for place in range(self.block_count))
        return joined[: self.request.data_length]


@dataclass
class Session:
    """Everything between power-up and power-down. Moments are readings of the monotonic clock."""

    began: float = 0.0
    logged_in: set[User] = field(default_factory=set)
    last_command: float = 0.0
    puk_refused_at: dict[User, float] = field(default_factory=dict)
    time_set: tuple[int, float] | None = None
    self_test: SelfTestOutcome = SelfTestOutcome.NOT_RUN
    self_test_passed_at: float = 0.0
    pending_import: Import | None = None
    export: Iterator[bytes] | None = None

    def self_test_due(self, moment: float) -> float:
        """Return the seconds until the next self test; 0 when it is due."""
        if self.self_test is not SelfTestOutcome.PASSED:
            return 0.0
        return max(0.0, self.self_test_passed_at + SELF_TEST_VALID - moment)

    def time_sync_due(self, moment: float) -> float:
        """Return the seconds until the time must be set again; at 0 the time is no longer valid."""
        return 0.0 if self.time_set is None else max(0.0, self.time_set[1] + TIME_SYNC_DELAY - moment)

    def unix_time(self, moment: float) -> int | None:
        """Return the time of the TSE in Unix seconds, `None` unless it is valid."""
        if self.time_set is None or not self.time_sync_due(moment):
            return None
        return self.time_set[0] + int(moment - self.time_set[1])
