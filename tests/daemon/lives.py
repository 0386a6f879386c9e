"""Daemons that crash and fall silent as they are told, for a supervisor on virtual time."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import msgspec

from konivrer_watch.core.restart import ServiceRecord
from konivrer_watch.daemon.supervisor import Over, Supervisor
from konivrer_watch.system.logs import Severity

INTERVAL = 60.0
NEVER = float("inf")


class Plan(msgspec.Struct, frozen=True):
    """What a life does, in seconds from its beginning. It beats each 15 s while it is ready."""

    ready: float = 0.5
    silent: float = NEVER
    ends: float = NEVER
    code: int = 1
    words: str = ""
    stopping: float = NEVER
    farewell: bytes = b"STOPPING=1"
    # Lines come in whatever pieces they please.
    greeting: tuple[bytes, ...] = (b"READY=1\nSTATUS=check",)
    dies_for: float = 0.0


WELL = Plan()
CRASHES = Plan(ends=0.2)
SILENT = Plan(silent=100.0)


class Life:
    """A daemon that follows its plan."""

    def __init__(self, plan: Plan, pid: int) -> None:
        self.plan = plan
        self.pid = pid
        self.born = anyio.current_time()
        self.ended: float | None = None
        self.closed = False
        self._killed = anyio.Event()
        self._greeting = list(plan.greeting)
        self._said_stopping = False

    async def hear(self) -> bytes:
        if self._greeting:
            await anyio.sleep_until(self.born + self.plan.ready)
            return self._greeting.pop(0)
        pause = 15.0
        if self.plan.stopping < NEVER and not self._said_stopping:
            await anyio.sleep_until(self.born + self.plan.stopping)
            self._said_stopping = True
            return b"ing\n" + self.plan.farewell + b"\n"
        if anyio.current_time() + pause > self.born + self.plan.silent:
            await anyio.sleep_forever()
        await anyio.sleep(pause)
        return b"WATCHDOG=1\nSTATUS=watching\n"

    async def collect(self) -> None:
        await anyio.sleep_forever()

    async def wait(self) -> int:
        with anyio.move_on_after(self.born + self.plan.ends - anyio.current_time()):
            await self._killed.wait()
            return -9
        return self.plan.code

    def kill_nowait(self) -> None:
        self._killed.set()

    async def end(self, grace: float) -> list[int]:
        await anyio.sleep(self.plan.dies_for)
        self.ended = anyio.current_time()
        return []

    def last_words(self) -> str:
        return self.plan.words

    def close(self) -> None:
        assert self.ended is not None
        self.closed = True


class World:
    """Everything that a supervisor acts on; lives follow the plans in turn, the last one for ever."""

    boot = "boot"
    pid = 7
    before: str | None = None
    anew = "konivrer-watch restart /r"

    def __init__(self, *plans: Plan) -> None:
        self.plans = list(plans)
        self.lives: list[Life] = []
        self.records: list[ServiceRecord] = []
        self.said: list[tuple[Severity, str]] = []
        self.seconds = INTERVAL
        self.has_lock = True
        self.can_spawn = True
        self.spared: list[int | None] = []
        self.over: Over | None = None

    async def interval(self) -> float:
        await anyio.lowlevel.checkpoint()
        return self.seconds

    def spawn(self, interval: float) -> Life:
        assert interval == self.seconds
        assert all(life.closed for life in self.lives), "two daemons at once"
        if not self.can_spawn:
            raise OSError(11, "Resource temporarily unavailable")
        plan = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        self.lives.append(Life(plan, 100 + len(self.lives)))
        return self.lives[-1]

    def record(self, record: ServiceRecord) -> None:
        self.records.append(record)

    def reap(self, child: int | None) -> None:
        self.spared.append(child)

    def is_ours(self) -> bool:
        return self.has_lock

    def say(self, severity: Severity, text: str) -> None:
        self.said.append((severity, text))

    def now(self) -> str:
        return "2026-01-01T00:00:00Z"

    @property
    def last(self) -> ServiceRecord:
        return self.records[-1]

    @property
    def births(self) -> list[float]:
        return [life.born - self.lives[0].born for life in self.lives]

    def lines(self, severity: Severity) -> list[str]:
        return [text for each, text in self.said if each is severity]


@asynccontextmanager
async def supervised(
    *plans: Plan, prepare: Callable[[World], None] = lambda world: None
) -> AsyncIterator[World]:
    """Supervise for the length of the block, and end it as ``stop`` does."""
    world = World(*plans)
    prepare(world)
    supervisor = Supervisor(world)

    async def run() -> None:
        world.over = await supervisor.run()

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        yield world
        if world.over is None:
            os.kill(os.getpid(), signal.SIGTERM)
    assert world.over is not None
    assert all(life.closed for life in world.lives)
