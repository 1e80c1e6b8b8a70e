"""Work in a child process that may die of it, and memory that it shares with its parent.

    parent                              child
    in_child(work, heard) ── fork ────▶ work(say)
      heard(kind, content) ◀── pipe ────┤ say(kind, content)
      the result           ◀── pipe ────┘ or SIGSEGV, SIGABRT ... ─▶ Died

The child is forked, not started anew, so that it costs milliseconds and can do whatever its parent
knows. It is never killed for being slow. But native code that does not come back within `LIMIT_S`
of processor time is as dead as any other, and so its process is ended, with SIGXCPU.

>>> import os, signal
>>> apart(lambda: 6 * 7)
42
>>> try:
...     apart(lambda: os.kill(os.getpid(), signal.SIGSEGV))
... except Died as died:
...     print(died)
died of SIGSEGV

Limits: processes that can fork, so not Windows. Of the parent's threads only the one that forks
lives on in the child.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from mmap import mmap
from tempfile import TemporaryFile
from typing import Any, NoReturn, TypeVar

from harness.errors import SplitbrainError

try:
    import resource
except ImportError:  # not everywhere
    resource = None  # type: ignore[assignment]

#: So many seconds of processor time a call of native code may take, and how often somebody looks.
LIMIT_S = 20
LOOK_S = 2
#: Size of the memory that is shared, in bytes; between half of it and all is in use.
RING_BYTES = 16 << 20
#: Of what the child wrote to its standard error so many characters are told.
_LAST_WORDS = 400

_RESULT, _ERROR = b"r", b"e"
_FRAME = struct.Struct("<cI")

Result = TypeVar("Result")
#: Told what a child says: one byte for the kind, and the content.
Heard = Callable[[bytes, bytes], object]


class Died(SplitbrainError):
    """A child process died before its work was done; the text says of what."""

    def __init__(self, cause: str, last_words: str = "") -> None:
        if cause == "SIGXCPU":
            told = f"did not come back within {LIMIT_S} s of processor time"
        else:
            told = f"died of {cause}" if cause.startswith("SIG") else cause
        super().__init__(told)
        self.cause = cause
        self.last_words = last_words


def apart(work: Callable[[], Result]) -> Result:
    """The result of `work`, done in a child process; it must be possible to pickle it.

    Raises `Died` if the child dies, and what `work` raises.
    """
    return in_child(lambda say: work(), lambda kind, content: None)


def in_child(work: Callable[[Heard], Result], heard: Heard) -> Result:
    """Fork, let the child do `work`, and tell `heard` what it says meanwhile.

    Raises `Died` if the child dies, what `work` raises, and what `heard` raises, which ends the
    child.
    """
    reading, writing = os.pipe()
    with TemporaryFile() as words:
        with warnings.catch_warnings():
            # Threads stay behind; whatever lock one of them held, the child needs none of it.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            os.close(reading)
            _be_child(work, writing, words.fileno())
        os.close(writing)
        found: list[tuple[bytes, bytes]] = []
        try:
            for kind, content in _frames(reading):
                if kind in (_RESULT, _ERROR):
                    found.append((kind, content))
                else:
                    heard(kind, content)
        except BaseException:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            raise
        finally:
            os.close(reading)
            _, status = os.waitpid(child, 0)
        if not found:
            words.seek(0)
            text = words.read().decode(errors="replace").strip()
            raise Died(_cause(status), text[-_LAST_WORDS:])
    (kind, content) = found[0]
    result = pickle.loads(content)
    if kind == _ERROR:
        raise result
    done: Result = result
    return done


def _be_child(work: Callable[[Heard], Any], pipe: int, words: int) -> NoReturn:
    """What the child does, to its end. It must never return into the parent's code."""
    try:
        os.dup2(words, 2)
        faulthandler.disable()  # it would write to the parent's standard error
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent will see to it
        if resource is not None:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.signal(signal.SIGPROF, _go_on)
            signal.setitimer(signal.ITIMER_PROF, LOOK_S, LOOK_S)
            _go_on()

        def say(kind: bytes, content: bytes) -> None:
            frame = memoryview(_FRAME.pack(kind, len(content)) + content)
            while frame:
                frame = frame[os.write(pipe, frame) :]

        try:
            say(_RESULT, pickle.dumps(work(say), pickle.HIGHEST_PROTOCOL))
        except BaseException as error:
            say(_ERROR, _pickled(error))
        os._exit(0)
    finally:
        os._exit(70)


def _go_on(*signalled: object) -> None:
    """Allow this process `LIMIT_S` more: as a handler of signals it runs between two steps of
    Python, so native code that holds on to the processor never comes here, and is ended."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    limit_s = int(used.ru_utime + used.ru_stime) + 1 + LIMIT_S
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s if most < 0 else min(limit_s, most), most))


def _pickled(error: BaseException) -> bytes:
    """The error as it is, or what it says where that cannot be."""
    try:
        content = pickle.dumps(error)
        pickle.loads(content)
    except Exception:
        told = SplitbrainError(f"{type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", ()):
            told.add_note(note)
        content = pickle.dumps(told)
    return content


def _frames(pipe: int) -> Iterator[tuple[bytes, bytes]]:
    """What comes out of the pipe; a frame that is cut short is none."""
    with os.fdopen(pipe, "rb", closefd=False) as stream:
        while len(head := stream.read(_FRAME.size)) == _FRAME.size:
            kind, length = _FRAME.unpack(head)
            content = stream.read(length)
            if len(content) < length:
                return
            yield kind, content


def _cause(status: int) -> str:
    """Of what a process died, from what `waitpid` says."""
    if not os.WIFSIGNALED(status):
        return f"ended with the exit code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG {number}"


class Ring:
    """Two halves of memory that both processes see, written in turns, each from its beginning.

    Each begins with its length in bytes; the first bytes say which half is being written.
    """

    def __init__(self, size: int = RING_BYTES) -> None:
        self._memory = mmap(-1, size)
        self._half = size // 2
        self._start = 0
        self._used = 16
        self._memory[0:8] = (0).to_bytes(8, "little")

    def write(self, record: bytes) -> None:
        """Add a record; it counts once its length does."""
        length = len(record)
        end = self._used + 4 + length
        if end > self._half:
            if length > self._half // 2:
                return
            self._start ^= self._half
            self._used = 16
            end = 20 + length
            self._set(self._start + 8, 16)
            self._set(0, self._start)
        memory, at = self._memory, self._start + self._used
        memory[at : at + 4] = length.to_bytes(4, "little")
        memory[at + 4 : at + 4 + length] = record
        self._used = end
        memory[self._start + 8 : self._start + 16] = end.to_bytes(8, "little")

    def records(self) -> Iterator[bytes]:
        """All that is there, the oldest first."""
        present = self._get(0)
        for start in (present ^ self._half, present):
            at, end = start + 16, start + self._get(start + 8)
            while at < end:
                length = int.from_bytes(self._memory[at : at + 4], "little")
                yield self._memory[at + 4 : at + 4 + length]
                at += 4 + length

    def _get(self, at: int) -> int:
        return int.from_bytes(self._memory[at : at + 8], "little")

    def _set(self, at: int, value: int) -> None:
        self._memory[at : at + 8] = value.to_bytes(8, "little")
