"""A world of processes in virtual time: one scheduler decides, by a seed, what happens next.

A process is an `Actor` with fibers (greenlets) in place of threads. A fiber runs until it asks a store, sleeps or
waits; what goes on then is drawn from the seed. Nothing sleeps, and nothing depends on the machine, so a seed is always
the same story.

In: time, fibers, and what stands for `threading`, `time`, `concurrent.futures`. Out: stores and their faults
(`simulated_stores.py`), who does what (`actors.py`).
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""When every story begins."""
MOST_STEPS = 60_000
"""Of one story: whoever needs more waits for ever."""


class NeverEnds(Exception):
    """The processes of a story go on and on."""


class Actor:
    """One process, on a machine, that may stand still for a while or end at any moment."""

    def __init__(self, world: World, name: str, machine: str, *, reliable: bool = False) -> None:
        self.world, self.name, self.machine = world, name, machine
        self.reliable = reliable
        """Nothing happens to it and to what it asks for."""
        self.frozen_until = 0.0
        self.is_dead = False
        self.has_ended = False
        self.fibers: list[Fiber] = []
        self.outcome = "running"

    @property
    def identity(self) -> str:
        """As `process_identity` names a process."""
        return f"{self.machine} {self.name}"


class Fiber(greenlet):
    """A thread of an actor."""

    def __init__(self, actor: Actor, work: Callable[[], None]) -> None:
        super().__init__(parent=actor.world.hub)
        self.actor, self._work = actor, work
        self.ticket = 0
        self.is_over = False
        self.joining: list[tuple[Fiber, int]] = []

    def run(self, _: object = None) -> None:
        try:
            self._work()
        except GreenletExit:
            pass
        except Exception as error:  # noqa: BLE001 - a fault of the story, shown as one
            self.actor.world.failures.append(f"{self.actor.name} raised {error!r}")
            self.actor.outcome = "raised"
        self.is_over = True
        for fiber, ticket in self.joining:
            self.actor.world.wake(fiber, ticket, 0.0)


class World:
    """One story."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.hub = getcurrent()
        self.actors: list[Actor] = []
        self.failures: list[str] = []
        self.steps = 0
        self._events: list[tuple[float, float, int, Fiber | None, int, Any]] = []
        self._count = 0

    # --- What will happen ---------------------------------------------------------------------------------------------

    def at(self, moment: float, work: Callable[[], None]) -> None:
        """Do something at a moment, on nobody's behalf."""
        self._push(moment, None, 0, work)

    def wake(self, fiber: Fiber, ticket: int, after: float, value: Any = None) -> None:
        """Let a fiber that is parked go on after so many seconds, unless it went on meanwhile."""
        self._push(self.now + after, fiber, ticket, value)

    def spawn(self, actor: Actor, work: Callable[[], None], after: float = 0.0) -> Fiber:
        """Begin a fiber of an actor."""
        fiber = Fiber(actor, work)
        actor.fibers.append(fiber)
        self._push(self.now + after, fiber, 0, None)
        return fiber

    def _push(self, moment: float, fiber: Fiber | None, ticket: int, value: Any) -> None:
        self._count += 1
        heapq.heappush(self._events, (moment, self.random.random(), self._count, fiber, ticket, value))

    def run(self) -> None:
        """Let everything happen that will. Raises `NeverEnds`."""
        events = self._events
        while events:
            moment, _, _, fiber, ticket, value = heapq.heappop(events)
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise NeverEnds
            if fiber is None:
                self.now = moment
                value()
                continue
            actor = fiber.actor
            if fiber.ticket != ticket or actor.is_dead or fiber.is_over:
                continue
            if actor.frozen_until > moment:
                self._push(actor.frozen_until, fiber, ticket, value)
                continue
            self.now = moment
            fiber.ticket += 1
            fiber.switch(value)

    def kill(self, actor: Actor) -> None:
        """End a process: nothing of it runs any more. To be called by the hub."""
        actor.is_dead = True
        actor.outcome = "killed"
        for fiber in actor.fibers:
            if fiber and not fiber.is_over:
                # Its `finally` blocks run, and every call in them raises at once.
                fiber.throw(GreenletExit)

    def end(self) -> None:
        """Let go of every fiber that is left."""
        for actor in self.actors:
            if any(fiber and not fiber.is_over for fiber in actor.fibers):
                self.kill(actor)


_worlds: list[World] = []
"""The world that what is simulated belongs to."""


def enter(world: World) -> None:
    """From now on this world is the present one."""
    _worlds[:] = [world]


def present() -> World:
    """The present world."""
    return _worlds[0]


def this_fiber() -> Fiber:
    """The fiber that runs. Raises `GreenletExit` in a process that has ended."""
    fiber = getcurrent()
    assert isinstance(fiber, Fiber)
    if fiber.actor.is_dead:
        raise GreenletExit
    return fiber


def park() -> Any:
    """Let others go on, until somebody wakes this fiber; what it is woken with."""
    hub = getcurrent().parent
    assert hub is not None
    return hub.switch()


# --- What stands for the standard library ---------------------------------------------------------------------------


class SimulatedTime:
    """`time`."""

    @staticmethod
    def monotonic() -> float:
        return 1000.0 + present().now

    @staticmethod
    def sleep(seconds: float) -> None:
        fiber = this_fiber()
        present().wake(fiber, fiber.ticket, seconds)
        park()


class SimulatedDatetime(datetime):
    """`datetime.datetime`, whose now is the world's."""

    @classmethod
    def now(cls, tz: Any = None) -> SimulatedDatetime:
        return moment(present().now)


def moment(seconds: float) -> SimulatedDatetime:
    """A moment of a story as a time."""
    at = EPOCH + timedelta(seconds=seconds)
    return SimulatedDatetime(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, tzinfo=UTC)


class _Uuid:
    def __init__(self, number: int) -> None:
        self.hex = f"{number:032x}"


class SimulatedUuid:
    """`uuid`."""

    @staticmethod
    def uuid4() -> _Uuid:
        return _Uuid(present().random.getrandbits(128))


class _Event:
    def __init__(self) -> None:
        self._is_set = False
        self._waiting: list[tuple[Fiber, int]] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        for fiber, ticket in self._waiting:
            present().wake(fiber, ticket, 0.0, True)
        self._waiting.clear()

    def wait(self, timeout: float | None = None) -> bool:
        fiber = this_fiber()
        if self._is_set:
            return True
        self._waiting.append((fiber, fiber.ticket))
        if timeout is not None:
            present().wake(fiber, fiber.ticket, timeout, False)
        return bool(park())


class _Lock:
    """Reentrant; who waits longest gets it."""

    def __init__(self) -> None:
        self._owner: Fiber | None = None
        self._depth = 0
        self._waiting: deque[tuple[Fiber, int]] = deque()

    def __enter__(self) -> None:
        fiber = this_fiber()
        while self._owner is not None and self._owner is not fiber:
            self._waiting.append((fiber, fiber.ticket))
            park()
        self._owner = fiber
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            if self._waiting:
                present().wake(*self._waiting.popleft(), 0.0)


class _Thread:
    def __init__(self, *, target: Callable[..., None], args: Sequence[Any] = (), **_: Any) -> None:
        self._work = lambda: target(*args)
        self._fiber: Fiber | None = None

    def start(self) -> None:
        self._fiber = present().spawn(this_fiber().actor, self._work)

    def join(self) -> None:
        fiber = this_fiber()
        assert self._fiber is not None
        if not self._fiber.is_over:
            self._fiber.joining.append((fiber, fiber.ticket))
            park()


class SimulatedThreading:
    """`threading`."""

    Event, Lock, RLock, Thread = _Event, _Lock, _Lock, _Thread


class SimulatedFuture:
    """`concurrent.futures.Future`."""

    def __init__(self) -> None:
        self._state = "waiting"
        self._result: Any = None
        self._error: BaseException | None = None
        self._watching: list[tuple[Fiber, int]] = []

    def run(self, work: Callable[..., Any], args: Sequence[Any]) -> None:
        if self._state != "waiting":
            return
        self._state = "running"
        try:
            self._result = work(*args)
        except GreenletExit:
            raise
        except BaseException as error:  # noqa: BLE001 - as the standard library does
            self._error = error
        self._end("done")

    def _end(self, state: str) -> None:
        self._state = state
        for fiber, ticket in self._watching:
            present().wake(fiber, ticket, 0.0)
        self._watching.clear()

    def watch(self, fiber: Fiber) -> None:
        self._watching.append((fiber, fiber.ticket))

    def done(self) -> bool:
        return self._state in ("done", "cancelled")

    def cancelled(self) -> bool:
        return self._state == "cancelled"

    def cancel(self) -> bool:
        if self._state == "waiting":
            self._end("cancelled")
        return self.cancelled()

    def exception(self) -> BaseException | None:
        return self._error

    def result(self) -> Any:
        while not self.done():
            self.watch(this_fiber())
            park()
        if self._error is not None:
            raise self._error
        return self._result


class SimulatedPool:
    """`concurrent.futures.ThreadPoolExecutor`."""

    def __init__(self, max_workers: int, thread_name_prefix: str = "") -> None:
        self._most = max_workers
        self._queue: deque[tuple[SimulatedFuture, Callable[..., Any], Sequence[Any]]] = deque()
        self._workers: list[Fiber] = []

    def __enter__(self) -> SimulatedPool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            fiber = this_fiber()
            if not worker.is_over:
                worker.joining.append((fiber, fiber.ticket))
                park()

    def submit(self, work: Callable[..., Any], *args: Any) -> SimulatedFuture:
        future = SimulatedFuture()
        self._queue.append((future, work, args))
        if sum(not worker.is_over for worker in self._workers) < self._most:
            self._workers.append(present().spawn(this_fiber().actor, self._work))
        return future

    def _work(self) -> None:
        while self._queue:
            future, work, args = self._queue.popleft()
            future.run(work, args)

    def map(self, work: Callable[..., Any], *items: Iterable[Any]) -> Iterator[Any]:
        futures = [self.submit(work, *args) for args in zip(*items, strict=False)]

        def results() -> Iterator[Any]:
            try:
                for future in futures:
                    yield future.result()
            finally:
                for future in futures:
                    future.cancel()

        return results()


def simulated_wait(
    futures: Sequence[SimulatedFuture], *, return_when: str = "ALL_COMPLETED"
) -> tuple[set[SimulatedFuture], set[SimulatedFuture]]:
    """`concurrent.futures.wait`."""
    while True:
        done = {future for future in futures if future.done()}
        failed = any(not future.cancelled() and future.exception() for future in done)
        if len(done) == len(futures) or (return_when == "FIRST_EXCEPTION" and failed):
            return done, set(futures) - done
        fiber = this_fiber()
        for future in futures:
            if not future.done():
                future.watch(fiber)
        park()
