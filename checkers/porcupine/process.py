"""Keeps workers: starts them, asks them, ends them.

    decide(request) ──> an idle worker, or a new one ──> its answer in time: it is idle again
                                                    └──> too late, too large, Ctrl-C: it is killed

The library cannot live in this process: it would not survive a fork, and Ctrl-C would wait for it.
So it lives in another one (`worker`), started by exec, which can be killed at any moment. One idle
worker is kept for each library; checks that run in parallel threads take one each. At the end
of this process, however it comes, its workers end too.

Limits: memory is watched by looking twenty times a second, where the system has /proc; elsewhere it
is not bounded. A worker that has grown large is ended, since Go returns memory slowly.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal

from checkers.porcupine import worker as worker_script
from checkers.porcupine.library import CURE, status_of
from checkers.porcupine.request import CONSTANTS, Request
from harness.errors import SplitbrainError, UsageError

Answer = Literal["legal", "illegal", "unknown"]
Why = Literal["", "timeout", "memory", "died"]

_ANSWERS: Final[dict[int, Answer]] = {
    CONSTANTS["PORCUPINE_UNKNOWN"]: "unknown",
    CONSTANTS["PORCUPINE_LEGAL"]: "legal",
    CONSTANTS["PORCUPINE_ILLEGAL"]: "illegal",
}
_POLL_S = 0.05
_START_S = 30.0
#: What a worker may take beyond Porcupine's own timeout, to read the operations and to answer.
_GRACE_S = 2.0
_GRACE_S_PER_OPERATION = 20e-6
_LARGE_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An answer, `elapsed_ns` of Porcupine's own work, and `why` it is unknown, with `words` about
    a worker that died."""

    answer: Answer
    elapsed_ns: int
    versions: str
    why: Why = ""
    words: str = ""


class Stopped(SplitbrainError):
    """A worker that gave no answer, and why; it is dead."""

    def __init__(self, why: Why, words: str = "") -> None:
        super().__init__(words or why)
        self.why = why
        self.words = words


def decide(
    library: Path,
    request: Request,
    *,
    timeout_s: float | None,
    memory_bytes: int,
    collect_garbage: bool = False,
) -> Decision:
    """What Porcupine says about `request`. Raises UsageError if the library cannot be used.

    With `collect_garbage` the clock of `elapsed_ns` starts after what was left over from earlier
    checks has been cleared away.
    """
    timeout_ns = 0 if timeout_s is None else max(1, round(timeout_s * 1e9))
    frames = request.frames(timeout_ns=timeout_ns, collect_garbage=collect_garbage)
    limit_s = None
    if timeout_s is not None:
        limit_s = timeout_s + _GRACE_S + _GRACE_S_PER_OPERATION * len(request)
    start = time.monotonic_ns()
    while True:
        with _borrowed(library) as worker:
            was_used = worker.used
            try:
                answer = worker.ask(frames, limit_s=limit_s, memory_bytes=memory_bytes)
            except Stopped as stopped:
                if stopped.why == "died" and was_used:
                    continue  # killed by someone while it was idle: that says nothing of this check
                return Decision(
                    answer="unknown",
                    elapsed_ns=time.monotonic_ns() - start,
                    versions=worker.versions,
                    why=stopped.why,
                    words=stopped.words,
                )
        # only arrays that contradict each other are malformed, and `Request` makes none
        assert answer["verdict"] in _ANSWERS, (
            "the worker was given arrays that contradict each other"
        )
        said = _ANSWERS[answer["verdict"]]
        return Decision(
            answer=said,
            elapsed_ns=answer["elapsed_ns"],
            versions=worker.versions,
            why="timeout" if said == "unknown" else "",
        )


class Worker:
    """One process with the library `library` in it. Not for two threads at once."""

    def __init__(self, library: Path) -> None:
        status = status_of(library)
        if not status:
            raise UsageError(str(status))
        self.used = False
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as it lives
        self._process = subprocess.Popen(
            # -P: a script's folder is no place to import from
            [sys.executable, "-P", worker_script.__file__, str(library.resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )
        try:
            self.versions = self._greeted(library)
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def is_large(self) -> bool:
        return self._resident_bytes() > _LARGE_BYTES

    def ask(
        self,
        frames: Sequence[bytes],
        *,
        limit_s: float | None,
        memory_bytes: int | None,
    ) -> dict[str, Any]:
        """Its answer to the request in `frames`. Raises Stopped, and then it is dead."""
        self.used = True
        try:
            answer: dict[str, Any] = json.loads(self._exchange(frames, limit_s, memory_bytes))
        except BaseException:
            self.kill()
            raise
        return answer

    def kill(self) -> None:
        """Ends it now, whatever it does, and waits until it is gone."""
        self._process.kill()
        self._process.wait()
        self._let_go()

    def abandon(self) -> None:
        """Forgets it without a trace: it belongs to another process."""
        self._process.returncode = 0
        self._let_go()

    def _let_go(self) -> None:
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            assert stream is not None
            stream.close()

    def _greeted(self, library: Path) -> str:
        """The versions in its greeting. Raises UsageError if it brings no usable library."""
        try:
            greeting = json.loads(self._exchange([], _START_S, None))
        except Stopped as stopped:
            greeting = {"error": str(stopped)}
        problem = greeting.get("error")
        if problem is None and greeting["interface"] != CONSTANTS["PORCUPINE_INTERFACE"]:
            problem = "it was built from another version of splitbrain"
        if problem is not None:
            raise UsageError(
                f"The Porcupine library {library.name} cannot be used: {problem}.\n"
                f"Usually it was built on another system, or long ago. {CURE}"
            )
        return str(greeting["versions"])

    def _exchange(
        self, frames: Sequence[bytes], limit_s: float | None, memory_bytes: int | None
    ) -> bytearray:
        """Sends `frames` and returns the next line. Raises Stopped."""
        source, target = self._process.stdout, self._process.stdin
        assert source is not None
        assert target is not None
        os.set_blocking(target.fileno(), False)
        end = None if limit_s is None else time.monotonic() + limit_s
        pending = [memoryview(frame) for frame in frames if len(frame)]
        line = bytearray()
        with selectors.DefaultSelector() as ready:
            ready.register(source, selectors.EVENT_READ)
            if pending:
                ready.register(target, selectors.EVENT_WRITE)
            while not line.endswith(b"\n"):
                events = ready.select(_POLL_S)
                for key, _ in events:
                    if key.fileobj is source:
                        part = os.read(source.fileno(), 1 << 16)
                        if not part:
                            raise Stopped("died", self._last_words())
                        line += part
                    elif not self._send(target.fileno(), pending):
                        ready.unregister(target)
                if end is not None and time.monotonic() > end and not line:
                    raise Stopped("timeout")
                if memory_bytes is None or events:  # look only while it works and is silent
                    continue
                if self._resident_bytes() > memory_bytes:
                    raise Stopped("memory")
        return line

    def _send(self, target: int, pending: list[memoryview]) -> bool:
        """Writes what fits into the pipe; whether there is more."""
        with suppress(BlockingIOError):
            try:
                pending[0] = pending[0][os.write(target, pending[0]) :]
            except BrokenPipeError:
                raise Stopped("died", self._last_words()) from None
        if not pending[0]:
            pending.pop(0)
        return bool(pending)

    def _last_words(self) -> str:
        """How it ended, and the first that it wrote about it."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "its process closed its output"
        self._errors.seek(0)
        said = self._errors.read(2000).decode(errors="replace").strip().splitlines()[:1]
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"its process ended with {how}{''.join(f' ({line})' for line in said)}"

    def _resident_bytes(self) -> int:
        """The memory that it occupies; 0 where that cannot be found out."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as source:
                return int(source.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0


_lock = threading.Lock()
_idle: dict[Path, Worker] = {}


@contextmanager
def _borrowed(library: Path) -> Iterator[Worker]:
    """A worker for one caller; idle again afterwards, unless something went wrong."""
    with _lock:
        worker = _idle.pop(library, None)
    if worker is not None and not worker.is_alive():
        worker.kill()
        worker = None
    if worker is None:
        worker = Worker(library)
    try:
        yield worker
    except BaseException:
        worker.kill()
        raise
    if not worker.is_alive() or worker.is_large():
        worker.kill()
        return
    with _lock:
        spare = None if _idle.setdefault(library, worker) is worker else worker
    if spare is not None:
        spare.kill()


@atexit.register
def close_all() -> None:
    """Ends the idle workers; the next check starts another."""
    with _lock:
        workers = list(_idle.values())
        _idle.clear()
    for worker in workers:
        worker.kill()


def _forget_all() -> None:
    """In the child of a fork: the workers are the parent's, and its lock may be taken."""
    global _lock
    _lock = threading.Lock()
    for worker in _idle.values():
        worker.abandon()
    _idle.clear()


os.register_at_fork(after_in_child=_forget_all)
