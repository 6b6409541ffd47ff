"""One run of the simulation: a shop lives through its troubles, and its history is judged."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from gateway.fleet.maintenance import scheduler
from gateway.fleet.outages import monitor
from gateway.tse.fields import Generation
from gateway.tse.logmessage import LogMessage
from gateway.tse.tar import members
from tests.history.checker import Report, check
from tests.history.events import History
from tests.simulation.clock import CLOCK, RANDOMNESS
from tests.simulation.front import Wishes
from tests.simulation.loop import SimulatedLoop
from tests.simulation.machine import Machine
from tests.simulation.mutations import MUTATIONS
from tests.simulation.network import PATIENCE, Network
from tests.simulation.plan import Plan
from tests.simulation.tills import ApiTill, KeylessTill, LanTill, Mixed, SteppingTill, Till
from tests.simulation.trace import Trace, TraceHandler
from tests.simulation.troubles import TROUBLES, Scene
from tests.simulation.tses import Port, export
from tests.support import set_up, set_up_generation_2

_END = 1800.0  # seconds in which each till must come to its end, once all is well again
_TICK, _CALM_TICK = 1.0, 10.0
_CALM_AFTER = 120.0  # seconds after the last trouble
_CLIENTS = (b"POS-1", b"POS-2", b"POS-3")


@dataclass(frozen=True)
class Outcome:
    """What came of a run. Times in seconds; `ready_after` from the end of each trouble to the next receipt."""

    plan: Plan
    digest: str
    hours: float
    receipts: int
    signatures: int
    untold: int
    longest_wait: float
    ready_after: list[float]
    troubles: Counter[str]
    starts: int
    violations: list[str]
    last: list[str]


def run(plan: Plan, directory: Path) -> Outcome:
    """Simulate `plan`; once in a process, after `clock.install` and `tses.install`."""
    if plan.mutation:
        MUTATIONS[plan.mutation]()
    RANDOMNESS.seed(f"{plan.seed} randomness")
    pauses = Random(f"{plan.seed} pauses")
    loop = SimulatedLoop(lambda: pauses.random() * 0.01)
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(Shop(plan, directory, loop).live())


class Shop:
    """The shop of one run."""

    def __init__(self, plan: Plan, directory: Path, loop: SimulatedLoop) -> None:
        self._plan = plan
        self._loop = loop
        self._chance = self._dice("shop")
        self._trace = Trace(str(directory))
        self._log = TraceHandler(self._trace)
        self._network = Network(self._dice("network"), door=self._chance.random() < 0.5)
        wishes = Wishes(pin=self._chance.random() < 0.8, keep_alive=self._chance.choice([5.0, 60.0, 60.0]))
        self._machine = Machine(directory, self._dice("machine"), self._trace, self._network, wishes, loop)
        self._histories: dict[str, History] = {}
        self._tills: list[Till] = []
        self._troubles: Counter[str] = Counter()
        self._going = 0  # troubles
        self._last_trouble = loop.time()
        self._well_since: float | None = None
        self._ready_after: list[float] = []
        self._closed = asyncio.Event()

    async def live(self) -> Outcome:
        """Live through the plan, and judge what came of it."""
        self._listen()
        for _ in range(self._chance.choice(self._plan.tses)):
            await self._furnish()
        machine = self._loop.create_task(self._machine.run())
        await self._machine.serving.wait()
        began = self._loop.time()
        beside = [self._loop.create_task(work) for work in (self._trouble(), self._slow_down_when_calm())]
        selling = [self._loop.create_task(self._sell(till), name=till.name) for till in self._tills]
        await asyncio.sleep(self._plan.hours * 3600)
        for task in beside:
            task.cancel()
        self._machine.all_is_well()
        for till in self._tills:
            till.line.off = False
        self._closed.set()
        await asyncio.wait(selling, timeout=_END)
        machine.cancel()
        if self._machine.gateway is not None:
            self._loop.kill(self._machine.gateway)
        return self._judged(self._loop.time() - began, [*selling, *beside])

    def _dice(self, name: str) -> Random:
        return Random(f"{self._plan.seed} {name}")

    def _listen(self) -> None:
        log = logging.getLogger("gateway")
        log.setLevel(logging.INFO)
        log.addHandler(self._log)
        log.propagate = False

    # ---- TSEs and tills -------------------------------------------------------

    async def _furnish(self) -> None:
        """A TSE, set up, and its tills."""
        port = self._machine.add_tse(Generation(self._chance.choice(self._plan.generations)))
        self._histories[port.serial] = History()
        driver = await port.open()
        up = set_up if port.generation is Generation.ONE else set_up_generation_2
        await up(driver.send_command, port.tse.serial, *_CLIENTS, now=int(CLOCK.unix()))
        await driver.close()
        kinds: list[type[Till]] = [LanTill]
        others = [LanTill, ApiTill, SteppingTill, KeylessTill]
        kinds += self._chance.choices(others, [3, 3, 1, 1], k=self._chance.choice(self._plan.tills) - 1)
        clients = [self._chance.choice(_CLIENTS[: self._plan.clients]) for _ in kinds]
        for kind, client in zip(kinds, clients, strict=True):
            self._tills.append(self._till(kind, client, port, shared=clients.count(client) > 1))

    def _till(self, kind: type[Till], client: bytes, port: Port, *, shared: bool) -> Till:
        """A till; on a TSE of generation 2 it may have the software for generation 1."""
        name = f"till-{len(self._tills)}"
        till = kind(
            name, client, port.serial, self._histories[port.serial], self._network, self._dice(name), self._trace
        )
        till.shared = shared
        till.generation = Generation(self._chance.choice([Generation.ONE, port.generation]))
        return till

    async def _sell(self, till: Till) -> None:
        """Sell until the shop is closed for good."""
        customers = self._dice(f"{till.name} customers")
        number = 0
        while not self._closed.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(customers.expovariate(1 / self._plan.receipt_every)):
                    await self._closed.wait()
            if not self._is_open:
                continue
            number += 1
            name = f"{till.name} receipt {number}"
            try:
                await till.sell(name, f"Beleg^{number}.00_0.00_0.00_0.00_0.00^{name}".encode())
            except Mixed as error:
                till.trouble.append(str(error))
            else:
                self._sold(till)
            self._trace.add(till.name, f"receipt {number}")

    def _sold(self, till: Till) -> None:
        till.receipts += 1
        if self._well_since is not None:
            self._ready_after.append(self._loop.time() - self._well_since)
            self._well_since = None

    # ---- day and night --------------------------------------------------------

    @property
    def _is_open(self) -> bool:
        return self._plan.opens <= CLOCK.unix() / 3600 % 24 < self._plan.closes

    async def _slow_down_when_calm(self) -> None:
        """While all is well, let the gateway look around less often than each second: that saves half of the time."""
        while True:
            calm = not self._going and self._loop.time() - self._last_trouble > _CALM_AFTER
            scheduler._TICK = monitor._LOOK = _CALM_TICK if calm else _TICK
            await asyncio.sleep(_CALM_TICK)

    async def _trouble(self) -> None:
        when = self._dice("when")
        scene = Scene(self._machine, self._tills, self._dice("troubles"))
        async with asyncio.TaskGroup() as going:
            while True:
                await asyncio.sleep(when.expovariate(1 / self._plan.trouble_every))
                going.create_task(self._befall(when.choice(self._plan.troubles), scene))

    async def _befall(self, name: str, scene: Scene) -> None:
        self._trace.add("trouble", name)
        self._troubles[name] += 1
        self._going += 1
        scheduler._TICK = monitor._LOOK = _TICK
        await TROUBLES[name](scene)
        self._going -= 1
        self._last_trouble = self._well_since = self._loop.time()

    # ---- the end --------------------------------------------------------------

    def _judged(self, seconds: float, tasks: list[asyncio.Task[None]]) -> Outcome:
        reports = [check(self._histories[port.serial], _messages(port)) for port in self._machine.ports]
        return Outcome(
            plan=self._plan,
            digest=self._trace.digest,
            hours=seconds / 3600,
            receipts=sum(till.receipts for till in self._tills),
            signatures=sum(report.signatures for report in reports),
            untold=sum(not name.startswith("start of") for report in reports for name in report.untold),
            longest_wait=self._network.longest,
            ready_after=self._ready_after,
            troubles=self._troubles,
            starts=self._machine.starts,
            violations=list(self._violations(reports, tasks)),
            last=list(self._trace.last),
        )

    def _violations(self, reports: list[Report], tasks: list[asyncio.Task[None]]) -> Iterator[str]:
        for report in reports:
            yield from report.violations
        for till in self._tills:
            yield from till.trouble
        for task in tasks:
            if not task.done():
                yield f"{task.get_name()} did not come to its end"
            elif not task.cancelled() and task.exception() is not None:
                yield f"{task.get_name()} ended with {task.exception()!r}"
        yield from (*self._machine.defects, *self._log.defects, *self._loop.unexpected)
        if self._network.longest >= PATIENCE:
            yield f"somebody waited {self._network.longest:.1f} s for an answer"


def _messages(port: Port) -> list[LogMessage]:
    return [LogMessage.decode(member.data) for member in list(members(export(port.tse)))[2:]]
