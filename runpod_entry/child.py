"""The process that does one job: it imports everything, waits for the job, does it, answers it, and ends.

Leads a session of its own, in which everything that it starts stays: `sweep` finds and ends what a killed job left
behind. Talks with whoever started it through one pipe, in JSON. Its environment and the job come that way too, because
arguments and environments can be read by other processes, and both hold secrets. In order, it says: `ready`,
`started`, any number of `progress` and `tried` (what NVENC came to, which the next job's process is given),
`answering` right before the webhook goes out, and `finished` or `cancelled`. SIGTERM cancels. Instead of a job it may
be given one that was ended early, to answer it.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_assets.system import keyholder
from runpod_entry import logs, process

if TYPE_CHECKING:
    from codex_assets.system.workspace import Status

ORPHAN_POLL_SECONDS = 1.0
LAST_RESORT_SECONDS = 6.0
"""A cancelled job that has not ended by then is ended from within: whoever supervises it is not there any more."""
WARMING_AFTER_SECONDS = 2.0
"""A process that has waited so long for its job is a spare one, and has time; one that is needed at once has none."""
STATUS_SECONDS = 0.25
"""At most, unless the phase changes: tools and stores report far more often than anybody wants to know."""
SWEEP_SECONDS = 3.0

Message = dict[str, Any]
Tell = Callable[[Message], None]

_log = logging.getLogger(__name__)


def begin(pipe: int, life: int, parent: int) -> None:
    """The first thing in the process: it closes its memory, so that it can be given what is secret. Does not return."""
    keyholder.close_memory()
    main(process.given_pipe(pipe, life), parent)


def main(pipe: Connection, parent: int) -> None:
    """The whole life of the process; does not return. `parent` is the process id of whoever started it."""
    os.setsid()
    # Ctrl-C in a terminal is for the worker, which decides what it means for the job.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    cancelled, working = threading.Event(), threading.Event()
    _watch(parent, cancelled, working)
    # Here, not above: these imports take long, and are what a spare process is kept for.
    from codex_assets.config import settings

    try:
        settings.adopt(json.loads(pipe.recv_bytes()))
    except (EOFError, OSError):
        os._exit(0)
    from codex_assets.worker import job, warming  # noqa: F401 - loaded before there is a job, which would wait for it

    logs.configure(settings.prepare_environment(), settings.log_format())
    lock = threading.Lock()

    def tell(message: Message) -> None:
        # Progress comes from the threads that read the tools' output. A parent that is gone is the watch's business.
        with lock, suppress(OSError):
            pipe.send_bytes(json.dumps(message).encode())

    tell({"say": "ready"})
    try:
        if not pipe.poll(WARMING_AFTER_SECONDS):
            # A job that comes meanwhile would have had to wait for the same.
            warming.warm()
        request = json.loads(pipe.recv_bytes())
    except (EOFError, OSError):
        os._exit(0)
    working.set()
    tell({"say": "started"})
    _report(request, tell, cancelled)
    logging.shutdown()
    # Not by way of interpreter shutdown: it takes a while, and could wait for threads.
    os._exit(0)


def _report(request: Message, tell: Tell, cancelled: threading.Event) -> None:
    """Do the job of `request` and say how it ended. A job that breaks off ends the process with 1."""
    from codex_assets.errors import JobCancelled
    from codex_assets.storage import trusted

    try:
        if "ended" in request:
            _answer_ended(request, tell)
            return
        result = _result(request, tell, cancelled)
    except JobCancelled:
        tell({"say": "cancelled"})
    except BaseException:  # noqa: BLE001 - whether it was answered is known by what was said so far
        _log.exception("job %s broke off", request["id"])
        logging.shutdown()
        os._exit(1)
    else:
        tell({"say": "finished", "result": result, "trusted": trusted.trusted()})


def _result(request: Message, tell: Tell, cancelled: threading.Event) -> Message:
    """RunPod's result of a job: `id` and `input` of a request, and `trial`, what is known of NVENC here."""
    from codex_assets import log_lines
    from codex_assets.build import encoders
    from codex_assets.config import settings
    from codex_assets.errors import ConfigurationError
    from codex_assets.storage import trusted
    from codex_assets.system.tools import Trial
    from codex_assets.worker import job

    if (trial := request.get("trial")) is not None:
        encoders.remember(Trial(**trial))
    trusted.trust(request.get("trusted", ()))
    encoders.on_trial(lambda trial: tell({"say": "tried", "trial": asdict(trial) if trial is not None else None}))

    def announce(body: Message) -> None:
        tell({"say": "answering", "webhook": body})

    try:
        loaded = settings.load()
    except ConfigurationError as error:
        policy, delivery = settings.reply_policies()
        answer = job.refusal(request["id"], request["input"], policy, error)
        announce(answer.body.wire())
        return job.send(answer, delivery)
    logs.conceal(loaded.secrets())
    with log_lines.about(shared=True, job=request["id"]):
        return job.run(
            request["id"],
            request["input"],
            loaded,
            listener=_listener(tell),
            cancelled=cancelled,
            before_answer=announce,
        )


def _answer_ended(request: Message, tell: Tell) -> None:
    """Answer a job that another process had begun: `ended` says what it failed by, the `webhook` that it was sending,
    and how many `seconds` there are for it."""
    from codex_assets import log_lines
    from codex_assets.config import settings
    from codex_assets.errors import ConfigurationError, RelayedError
    from codex_assets.worker import ended_early, job

    ended, job_id = request["ended"], request["id"]
    error = RelayedError(**ended["error"])

    def tell_result(result: Message) -> None:
        tell({"say": "finished", "result": result})

    with log_lines.about(shared=True, job=job_id):
        try:
            loaded = settings.load()
        except ConfigurationError:
            policy, delivery = settings.reply_policies()
            answer = job.refusal(job_id, request["input"], policy, error)
            tell_result(job.send(answer, ended_early.hurried(delivery, ended["seconds"])))
            return
        logs.conceal(loaded.secrets())
        ended_job = ended_early.EndedJob(job_id, request["input"], request["begunAt"], error, ended["webhook"])
        ended_early.answer(ended_job, loaded, ended["seconds"], tell_result)


def sweep(session: int) -> None:
    """Kill every process of `session` except its leader, which is its starter's to reap."""
    deadline = time.monotonic() + SWEEP_SECONDS
    while (left := {pid for pid, alive in _members(session) if alive} - {session}) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    for pid in {pid for pid, _ in _members(session)} - {session}:
        # In a container the worker often is process 1, which inherits orphans and has to reap them.
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _members(session: int) -> Iterator[tuple[int, bool]]:
    """Processes of a session, and whether they are alive or only wait to be reaped."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            # The name, in parentheses, may hold any bytes, spaces and parentheses included, and need not be text.
            state, _parent, _group, leader, *_ = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            if int(leader) == session:
                yield int(entry.name), state not in (b"Z", b"X")


def _watch(parent: int, cancelled: threading.Event, working: threading.Event) -> None:
    """Set `cancelled` on SIGTERM and SIGHUP, or when the parent is gone; while nothing is done yet, end the process.

    A signal handler must not set the event: it runs in the main thread, which may be holding the event's lock. The end
    of the parent does not always end the pipe, because processes that it forked hold copies of it.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)

    def watch() -> None:
        while not select.select([reader], [], [], ORPHAN_POLL_SECONDS)[0] and os.getppid() == parent:
            pass
        if not working.is_set():
            os._exit(0)
        cancelled.set()
        time.sleep(LAST_RESORT_SECONDS)
        sweep(os.getpid())
        os._exit(1)

    threading.Thread(target=watch, name="watch", daemon=True).start()


def _listener(tell: Tell) -> Callable[[Status], None]:
    said_at, said_phase = 0.0, ""

    def listen(status: Status) -> None:
        nonlocal said_at, said_phase
        now = time.monotonic()
        if status.phase == said_phase and now - said_at < STATUS_SECONDS:
            return
        said_at, said_phase = now, status.phase
        progress: Message = {"phase": status.phase, "percent": round(100 * status.overall, 1)}
        if status.speed is not None:
            progress["speed"] = round(status.speed, 2)
        if status.seconds_left is not None:
            progress["secondsLeft"] = round(status.seconds_left)
        tell({"say": "progress", "progress": progress})

    return listen
