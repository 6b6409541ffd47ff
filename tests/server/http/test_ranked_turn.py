"""One at a time, the lowest rank first; whoever gives up costs nobody a turn."""

import asyncio

from gateway.server.http.ranked_turn import RankedTurn


async def test_the_lowest_rank_comes_first_and_then_who_came_first() -> None:
    turns, order, go = RankedTurn(), list[str](), asyncio.Event()

    async def work(name: str, rank: int) -> None:
        async with turns.of(rank):
            await go.wait()
            order.append(name)

    tasks = []
    for name, rank in (("first", 9), ("guesser", 5), ("newcomer", 0), ("guesser again", 5), ("other newcomer", 0)):
        tasks.append(asyncio.create_task(work(name, rank)))
        await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*tasks)
    assert order == ["first", "newcomer", "other newcomer", "guesser", "guesser again"]


async def test_who_gives_up_before_or_at_his_turn_passes_it_on() -> None:
    turns, entered = RankedTurn(), list[str]()

    async def work(name: str) -> None:
        async with turns.of(0):
            entered.append(name)
            await asyncio.sleep(0)

    holder = turns.of(0)
    await holder.__aenter__()
    tasks = [asyncio.create_task(work(name)) for name in ("waits", "at his turn", "last")]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    await holder.__aexit__(None, None, None)
    tasks[1].cancel()  # it was given the turn and did not run yet
    await asyncio.gather(*tasks, return_exceptions=True)
    assert entered == ["last"]
    async with turns.of(0):
        entered.append("free again")
    assert entered[-1] == "free again"
