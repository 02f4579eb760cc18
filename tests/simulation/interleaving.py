"""One story by its seed: who begins when, what happens to them, and whether all was well, at every moment and at last.

`python tests/simulation/interleaving.py SEED` prints it, request by request.
"""

from __future__ import annotations

import gc
import json
import logging
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import actors
import tenacity.nap
import world as simulated
from actors import Attempt, Studio
from faults import HOT_SPOTS, WEATHERS, Event, Faults
from films import Films
from invariants import Watch
from simulated_stores import Network, Stored
from world import Actor, NeverEnds, World, this_fiber

from codex_assets.archive import leases, replaced, switches
from codex_assets.build import publication, receipts
from codex_assets.build.receipts import Receipts
from codex_assets.library import reconcile
from codex_assets.storage import publish, trusted
from codex_assets.system import process_identity
from codex_assets.system.workspace import ProgressBoard

DAY = 25 * 3600.0
"""More than a job may take, in seconds."""
INPUTS = ("originals/c1/m1/original.mov", "originals/c1/m1/original.mp4")


@dataclass
class Story:
    """What came of a seed."""

    seed: int
    broken: list[str] = field(default_factory=list)
    exempt: Counter[str] = field(default_factory=Counter)
    happened: Counter[Event] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    trace: list[str] = field(default_factory=list)


class Simulation:
    """Tells stories. Between `simulated_processes` only."""

    def __init__(self, folder: Path) -> None:
        self._films = Films(folder)
        workspace: Any = mock.NonCallableMock(spec=["progress"], progress=ProgressBoard())
        self._receipts = Receipts(None, workspace, run_id=None, price=lambda gpu: None)  # type: ignore[arg-type]
        self._published: dict[str, _Teller] = {}

    def run(self, seed: int, *, trace: bool = False) -> Story:
        """The story of a seed."""
        return _Teller(seed, self, trace=trace).tell()

    def studio(self, world: World, network: Network, grace: timedelta) -> Studio:
        """What all who work in a story share."""
        return Studio(world, network, self._films, self._receipts, grace)

    def published(self, content: str) -> _Teller:
        """A story in which nothing happened but that one job published a film."""
        if content not in self._published:
            teller = self._published[content] = _Teller(0, self, trace=False)
            teller.publish_alone(content)
        return self._published[content]


@contextmanager
def simulated_processes() -> Iterator[None]:
    """Time, threads and processes of the product's modules are the simulation's, for the block."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with ExitStack() as patches:

        def patch(module: Any, **names: Any) -> None:
            for name, value in names.items():
                patches.enter_context(mock.patch.object(module, name, value))

        for module in (switches, replaced, publish, reconcile):
            patch(module, ThreadPoolExecutor=simulated.SimulatedPool)
        patch(publish, threading=simulated.SimulatedThreading, wait=simulated.simulated_wait)
        patch(leases, threading=simulated.SimulatedThreading, time=simulated.SimulatedTime)
        patch(publication, time=simulated.SimulatedTime)
        patch(receipts, time=simulated.SimulatedTime)
        patch(tenacity.nap, time=simulated.SimulatedTime)
        for module in (leases, publication):
            patch(module, uuid=simulated.SimulatedUuid, datetime=simulated.SimulatedDatetime)
        patch(
            process_identity,
            this_process=lambda: this_fiber().actor.identity,
            has_ended=lambda identity: _has_ended(this_fiber().actor, identity),
        )
        # Of stores in memory it is known that they keep conditions.
        patch(trusted, _trusted={f"http://simulated {role}" for role in ("archive", "media", "assets")})
        # Of the product's own objects, which are many, none is garbage.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            gc.unfreeze()
            logging.disable(level)


def _has_ended(asks: Actor, identity: str) -> bool:
    """Known on the same machine alone."""
    if not identity.startswith(f"{asks.machine} "):
        return False
    return not any(actor.identity == identity and not actor.has_ended for actor in asks.world.actors)


class _Teller:
    def __init__(self, seed: int, simulation: Simulation, *, trace: bool) -> None:
        self.story = Story(seed)
        self.simulation = simulation
        self.world = World(seed)
        simulated.enter(self.world)
        self.random = random.Random(seed * 7919 + 1)
        self.faults = Faults(
            random.Random(seed * 104729 + 2),
            WEATHERS[seed % len(WEATHERS)],
            HOT_SPOTS[seed // len(WEATHERS) % len(HOT_SPOTS)],
        )
        self.network = Network(self.world, self.faults, trace=trace)
        self.watch = Watch(self.network)
        self.network.watchers.append(self.watch.watch)
        self.grace = timedelta(seconds=self.random.choice((0, 30, 90, 90, 300)))
        self.studio = simulation.studio(self.world, self.network, self.grace)
        self.attempts: list[Attempt] = []
        self.encodes = self.random.choice((1, 1, 2, 3))
        self.tuning = {
            (switches, "THREADS"): self.random.choice((1, 2, 8)),
            (publish, "LISTED_FROM"): self.random.choice((2, 8)),
        }

    def tell(self) -> Story:
        with ExitStack() as patches:
            for (module, name), value in self.tuning.items():
                patches.enter_context(mock.patch.object(module, name, value))
            try:
                self._begin()
                self.world.run()
                self._end()
            except NeverEnds:
                self.watch.broken.append("somebody waits for ever")
            finally:
                self.world.end()
        story, watch = self.story, self.watch
        story.broken = watch.broken + self.world.failures
        story.exempt, story.happened = watch.exempt, self.faults.happened
        story.requests, story.trace = self.network.requests, self.network.trace or []
        return story

    # --- Who does what ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        draw = self.random
        contents, own_keys = [draw.choice("ABC") for _ in range(3)], draw.random() < 0.3
        apart, twice, haste = draw.choice((0.0, 0.0, 3.0, 20.0, 60.0)), draw.random() < 0.3, 30.0
        kind, is_published = draw.choice(("any", "any", "returns", "twice")), draw.random() < 0.7
        if kind == "returns":
            # The former film comes back: its segments are there, and are to be deleted.
            contents, is_published = ["A", "B", "A"], True
            apart, haste, self.encodes, self.studio.grace = draw.choice((0.0, 3.0, 10.0)), 12.0, 1, timedelta(0)
        elif kind == "twice":
            # A job is delivered twice, and meanwhile another upload takes the place of its own.
            own_keys, twice, haste, apart = False, True, 3.0, float(draw.randrange(3, 30))
        at = 0.0
        if is_published:
            # Before, by a job that nothing happened to.
            self._begin_with(self.simulation.published(contents[0]))
            at = self.world.now + draw.uniform(1.0, 60.0)
        for number in (1, 2):
            key = INPUTS[number - 1] if own_keys else INPUTS[0]
            # Of uploads in one second nobody can say which is newer.
            uploaded = float(int(at)) + 1.0 + (number - 1) * apart
            content = contents[0] if number == 2 and draw.random() < 0.4 else contents[number]
            self.world.at(uploaded, partial(self._upload, content, key))
            starts = [uploaded + draw.uniform(0.0, haste)]
            if twice if number == 1 else draw.random() < 0.3:
                starts.append(starts[0] + draw.uniform(0.0, haste))
            for start in starts:
                self._job(f"job-{number}", key, start, deliveries=3)
        if draw.random() < 0.6:
            self._rebuild(at + draw.uniform(0.0, 120.0))
        for _ in range(draw.choice((0, 1, 2, 3))):
            self._sweep(at + draw.uniform(0.0, 250.0))

    def publish_alone(self, content: str) -> None:
        """One job, to which nothing happens."""
        self._upload(content, INPUTS[0])
        self._alone("first", lambda actor: self._keep(actors.job(self.studio, actor, "first", INPUTS[0], 0, 0.0)))

    def _begin_with(self, other: _Teller) -> None:
        simulated.enter(self.world)
        for role, bucket in self.network.buckets.items():
            bucket.objects = dict(other.network.buckets[role].objects)
            bucket.versions = other.network.buckets[role].versions
        self.watch.begin_with(other.watch)
        self.world.now = other.world.now
        self.network.note("PUBLISHED BEFORE")

    def _upload(self, content: str, key: str) -> None:
        """The platform's own: a new upload lies there at once. Its contents are in its type, for whoever builds."""
        body = content.encode()
        self.network.buckets["archive"].put(
            key,
            Stored(body, content, None, content, None, self.world.now, self.network.buckets["archive"].new_version()),
        )
        self.network.note(f"UPLOADED {content} to {key}")

    def _actor(self, name: str, *, reliable: bool = False) -> Actor:
        actor = Actor(
            self.world,
            f"{name}.{len(self.world.actors)}",
            self.random.choice(("east", "east", "west")),
            reliable=reliable,
        )
        self.world.actors.append(actor)
        return actor

    def _start(self, actor: Actor, work: Callable[[], str], after: float) -> None:
        def run() -> None:
            actor.outcome = work()
            actor.has_ended = True
            self.network.note(f"{actor.name:14} ENDED: {actor.outcome}")

        self.world.spawn(actor, run, after)

    def _alone(self, name: str, work: Callable[[Actor], str]) -> None:
        """Somebody to whom nothing happens, and beside whom nothing does."""
        actor = self._actor(name, reliable=True)
        self._start(actor, lambda: work(actor), 0.0)
        self.world.run()

    def _keep(self, attempt: Attempt) -> str:
        self.attempts.append(attempt)
        self.story.outcomes[attempt.error or "completed"] += 1
        return attempt.error or "completed"

    def _job(self, job_id: str, key: str, start: float, *, deliveries: int) -> None:
        actor = self._actor(job_id)
        encode, seconds = self.random.randrange(self.encodes), self.random.choice((0.0, 5.0, 25.0, 45.0))

        def work() -> str:
            return self._keep(actors.job(self.studio, actor, job_id, key, encode, seconds))

        def again() -> None:
            # RunPod delivers a job again whose worker was lost, and the platform what may be tried again.
            attempt = next((each for each in self.attempts if each.actor is actor), None)
            if actor.outcome == "running":
                self.world.at(self.world.now + 60.0, again)
                return
            lost = attempt is None or (not attempt.completed and attempt.retryable)
            if lost and deliveries > 1 and self.random.random() < 0.8:
                self._job(job_id, key, self.world.now + self.random.uniform(0.0, 40.0), deliveries=deliveries - 1)

        self._start(actor, work, start - self.world.now)
        self.world.at(start + 60.0, again)

    def _rebuild(self, start: float) -> None:
        actor = self._actor("rebuild")
        outputs = self.random.choice((("hls_360p",), ("thumbnail",), ("hls_720p", "hls_360p", "thumbnail")))
        encode, seconds = self.random.randrange(self.encodes), self.random.choice((0.0, 10.0, 30.0))
        self._start(
            actor,
            lambda: self._keep(actors.rebuild(self.studio, actor, actor.name, outputs, encode, seconds)),
            start - self.world.now,
        )

    def _sweep(self, start: float) -> None:
        actor = self._actor("sweep")

        def work() -> str:
            self._said(actor, actors.sweep(self.studio))
            return "swept"

        self._start(actor, work, start - self.world.now)

    def _said(self, actor: Actor, said: list[str]) -> None:
        for line in said:
            self.network.note(f"{actor.name:14} {line}")

    # --- The end ------------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        for actor in self.world.actors:
            if actor.outcome == "running":
                self.watch.broken.append(f"{actor.name} never ended")
            actor.has_ended = True
            self.story.outcomes["killed"] += actor.outcome == "killed"
        # When the lease of every run that was killed has ended.
        for when, later in (("after a sweep", actors.TIMES.ends_after_deleting + 40.0), ("a day later", DAY)):
            self.world.now += later
            self._alone("sweep", lambda actor: self._said(actor, actors.sweep(self.studio)) or "swept")  # type: ignore[func-returns-value]
            self.watch.require_whole(when)
        self.watch.require_nothing_left("a day later")
        if not self.watch.exempt:
            self._require_true_answers()

    def _require_true_answers(self) -> None:
        built = {
            record["build"]["run_id"]
            for note in self.watch.notes
            for record in map(_parsed, note.records)
            if record and record.get("build")
        }
        for attempt in self.attempts:
            if attempt.completed and attempt.job_id not in built:
                self.watch.broken.append(f"{attempt.actor.name} is completed, and nothing of it was published")
            at = attempt.uploaded_at.isoformat() if attempt.uploaded_at is not None else ""
            if attempt.completed and at > self.watch.uploaded_at:
                self.watch.broken.append(f"{attempt.actor.name} is completed, and an older upload is published")
            others = [time for actor, time in self.studio.claims.items() if actor is not attempt.actor and time]
            is_superseded = at <= self.watch.uploaded_at or any(other.isoformat() >= at for other in others)
            if attempt.error == "superseded" and not is_superseded:
                self.watch.broken.append(f"{attempt.actor.name} is superseded, and by nobody")
        for note in self.watch.notes:
            if note.switch_id not in self.watch.finished:
                self.watch.broken.append(f"switch {note.switch_id[:6]} was never whole")


def _parsed(record: Any) -> Any:
    return json.loads(record.text) if record.text is not None else None


def main() -> None:
    """Print the story of the seed that is given."""
    with tempfile.TemporaryDirectory() as folder, simulated_processes():
        story = Simulation(Path(folder)).run(int(sys.argv[1]), trace=True)
    print("\n".join(story.trace))
    print(dict(story.outcomes), dict(story.exempt))
    print("\n".join(story.broken) or "all was well")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
