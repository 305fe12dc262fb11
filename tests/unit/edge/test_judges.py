"""Children that judge signatures: one question each, and one that waits while questions come often."""

import asyncio
import os
import signal
from collections.abc import Callable

from edge.verifying import Judges
from tests.bench.signing import question_of

ARTIFACT = b"an artifact"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def asked(judges: Judges) -> None:
    answer = await judges.ask(question_of(ARTIFACT))
    assert answer.manifest is not None


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - of processes that tell nobody
            await asyncio.sleep(0.01)


async def waiting(judges: Judges) -> int:
    await until(lambda: judges.waiting is not None)
    assert judges.waiting is not None
    return judges.waiting


def test_after_one_question_nobody_waits():
    async def story() -> None:
        judges = Judges(later=0)
        await asked(judges)
        await asyncio.sleep(0.05)
        assert judges.waiting is None
        await judges.close()

    asyncio.run(story())


def test_who_asks_again_soon_is_answered_by_a_judge_that_waits_and_judges_once():
    async def story() -> None:
        judges = Judges(later=0)
        await asked(judges)
        await asked(judges)
        first = await waiting(judges)
        await asked(judges)
        assert not alive(first)
        second = await waiting(judges)
        assert second != first
        await judges.close()
        assert not alive(second)

    asyncio.run(story())


def test_a_judge_that_nobody_asks_goes():
    async def story() -> None:
        judges = Judges(later=0, patience=0.2)
        await asked(judges)
        await asked(judges)
        pid = await waiting(judges)
        await until(lambda: judges.waiting is None and not alive(pid))
        await judges.close()

    asyncio.run(story())


def test_one_that_died_while_it_waited_is_replaced():
    async def story() -> None:
        judges = Judges(later=0)
        await asked(judges)
        await asked(judges)
        pid = await waiting(judges)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: judges.waiting is None)
        await asked(judges)
        await judges.close()

    asyncio.run(story())
