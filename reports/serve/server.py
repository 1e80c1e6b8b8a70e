"""The network side of `splitbrain serve`: who is answered, and with which headers.

A request is answered only if it came over loopback (nothing else is listened to), is GET or HEAD,
and says in its Host header one of the names of this server. The standard library's server is
enough for that: one reader, small pages, files that are sent as they are.

Headers: every page admits only its own style sheet and script, by their hashes, and nothing may
frame it. A file of the store is sent as what it is and never guessed at (`nosniff`), and an HTML
file only into a sandbox: its scripts run, but as nobody from nowhere.
"""

from __future__ import annotations

import shutil
import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from reports.serve.routes import Answer, Pages

#: The only address that is listened to.
LOOPBACK = "127.0.0.1"
#: A connection that says nothing for so many seconds is closed.
SILENCE_S = 30

_SANDBOX = (
    "sandbox allow-scripts allow-downloads allow-popups; default-src 'none'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FOR_ALL = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class StoreServer(ThreadingHTTPServer):
    """Serves one store on loopback; `serve_forever` until `shutdown`."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, store: Path, port: int) -> None:
        self.pages = Pages(store)
        super().__init__((LOOPBACK, port), _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's: that asks the network for this machine's name, which may take long.
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name = LOOPBACK
        self.server_port = self.server_address[1]

    @property
    def address(self) -> str:
        """What to type into a browser."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    def answers_to(self, host: str) -> bool:
        """Whether `host`, as a request names it, is this server and no name from elsewhere."""
        return host in (f"{LOOPBACK}:{self.server_port}", f"localhost:{self.server_port}")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who went away in the middle is no error."""


def make_server(store: Path, port: int) -> StoreServer:
    """A server for `store` on `port` (0: any free one). Raises UsageError if it is taken."""
    try:
        return StoreServer(store, port)
    except OSError as error:
        raise UsageError(
            f"Port {port} of {LOOPBACK} cannot be had: {error.strerror or error}. Usually another "
            "server listens there already, perhaps this one. Name another port with --port, or "
            "--port 0 for any free one."
        ) from error
    except OverflowError as error:
        raise UsageError(f"--port is a number from 0 to 65535; it was {port}.") from error


class _Handler(BaseHTTPRequestHandler):
    server: StoreServer
    server_version = "splitbrain"
    sys_version = ""
    timeout = SILENCE_S
    error_message_format = "%(code)d %(message)s. %(explain)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def do_GET(self) -> None:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not self.server.answers_to(hosts[0].strip().lower()):
            self.send_error(
                HTTPStatus.MISDIRECTED_REQUEST,
                explain=f"This server answers only to {self.server.address}",
            )
            return
        answer = self.server.pages.answer(self.path)
        with answer.body:
            self._head(answer)
            if self.command != "HEAD":
                shutil.copyfileobj(answer.body, self.wfile, 1 << 16)

    do_HEAD = do_GET  # noqa: N815

    def _head(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(answer.length))
        for name, value in _FOR_ALL.items():
            self.send_header(name, value)
        # A page says itself what it admits; this adds what only a header can say.
        own = _SANDBOX if answer.stored else "frame-ancestors 'none'"
        self.send_header("Content-Security-Policy", own)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: the terminal belongs to the reader."""
