"""One release of PySyncObj, imported beside others, with our world where it expects its own.

    the release's folder ─▶ imported under its own names ─▶ taken out of sys.modules again
                                                              │
          monotonicTime, random, open, os, mmap, gzip, logger ┘ replaced in its modules

Not a line of the library is changed: names in its modules are bound to other things, as tests do
with a fake clock. Whose clock, files and randomness it gets is decided by `acting`, the node that
handles an event at the moment.

What is replaced, and why: the clock and `random` (elections), `open`, `os`, `mmap`, `shutil` (the
journal and the dump), `gzip` (it writes the time into each file), the poller (there are no
sockets), and the loggers (they ask for the time; what they would log becomes a probe).
"""

from __future__ import annotations

import gzip
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Protocol

from systems.pysyncobj.files import Files, modules
from systems.pysyncobj.releases import folder_of

_NAME = "pysyncobj"


class Surroundings(Protocol):
    """What a node gives the library while it acts."""

    files: Files

    def monotonic_s(self) -> float: ...

    def random(self) -> float: ...

    def note(self, event: str) -> None: ...


class Library:
    """A release of PySyncObj. `acting` must be set before anything of it is called."""

    def __init__(self, folder: Path) -> None:
        self.acting: Surroundings
        with _importable(folder):
            self.syncobj: Any = importlib.import_module(f"{_NAME}.syncobj")
            journal: Any = importlib.import_module(f"{_NAME}.journal")
            serializer: Any = importlib.import_module(f"{_NAME}.serializer")
            self.pickle: Any = importlib.import_module(f"{_NAME}.pickle")
            config: Any = importlib.import_module(f"{_NAME}.config")
            node: Any = importlib.import_module(f"{_NAME}.node")
            transport: Any = importlib.import_module(f"{_NAME}.transport")
        self.release: str = self.syncobj.VERSION
        self.conf_class: Any = config.SyncObjConf
        self.reasons: Any = config.FAIL_REASON
        files = modules(lambda: self.acting.files)
        logger = _Logger(self)
        _bind(
            self.syncobj,
            monotonicTime=lambda: self.acting.monotonic_s(),
            random=SimpleNamespace(random=lambda: self.acting.random()),
            os=files["os"],
            createPoller=lambda kind: _NoSockets(),
            logger=logger,
        )
        _bind(journal, **files)
        _bind(
            serializer,
            open=files["open"],
            os=files["os"],
            atomicReplace=files["os"].rename,
            gzip=SimpleNamespace(GzipFile=_gzip_file),
            logger=logger,
        )
        self.member_class = _member_class(node.Node)
        self.transport_class = _transport_class(transport.Transport)
        self.machine_class = _machine_class(self.syncobj)


@cache
def library(release: str) -> Library:
    """That release; see `systems.pysyncobj.releases` for where it comes from and what is raised."""
    return Library(folder_of(release))


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """While this lasts, `pysyncobj` means what lies in `folder`; before and after, what it did."""
    mine = {name: module for name, module in sys.modules.items() if _is_part(name)}
    for name in mine:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        yield
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if _is_part(name)]:
            del sys.modules[name]
        sys.modules.update(mine)


def _is_part(name: str) -> bool:
    return name == _NAME or name.startswith(f"{_NAME}.")


def _bind(module: ModuleType, **names: Any) -> None:
    for name, value in names.items():
        setattr(module, name, value)


# ---- what stands in for parts of it


class _NoSockets:
    """Instead of a poller."""

    def poll(self, timeout: float) -> None:
        """Nothing arrives this way."""


class _Logger:
    """Instead of a logger: what would be logged is noted, as `log-` and its level."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda message, *arguments: self._library.acting.note(f"log-{level}")


def _gzip_file(fileobj: Any, mode: str = "rb") -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=fileobj, mode=mode, mtime=0)


def _member_class(node_class: Any) -> Any:
    class Member(node_class):  # type: ignore[misc]
        """A member of the cluster, whose hash is its number: sets of them have the same order in
        every process."""

        def __init__(self, number: int) -> None:
            super().__init__(f"n{number}")
            self.number = number

        def __hash__(self) -> int:
            return self.number

        def __reduce__(self) -> tuple[Any, ...]:
            return str, (self.id,)  # in dumps: the library takes names for members

    return Member


def _transport_class(base: Any) -> Any:
    class Transport(base):  # type: ignore[misc]
        """Hands messages to the node, and from it to the library."""

        def __init__(self, carry: Callable[[int, Any], bool]) -> None:
            super().__init__(None, None, ())
            self._carry = carry

        def send(self, node: Any, message: Any) -> bool:
            return self._carry(node.number, message)

        def connected(self, node: Any) -> None:
            self._onNodeConnected(node)

        def disconnected(self, node: Any) -> None:
            self._onNodeDisconnected(node)

        def received(self, node: Any, message: Any) -> None:
            self._onMessageReceived(node, message)

    return Transport


def _machine_class(syncobj: Any) -> Any:
    class Machine(syncobj.SyncObjConsumer):  # type: ignore[misc]
        """A state machine of ours as an object that the library replicates."""

        def __init__(self, sessions: Any) -> None:
            super().__init__()
            self.sessions = sessions

        @syncobj.replicated  # type: ignore[untyped-decorator]
        def execute(self, session: int, serial: int, command: Any) -> Any:
            return self.sessions.apply(session, serial, command)

        def _serialize(self) -> dict[str, bytes]:
            return {"sessions": self.sessions.snapshot()}

        def _deserialize(self, data: dict[str, bytes]) -> None:
            self.sessions.restore(data["sessions"])

    return Machine
