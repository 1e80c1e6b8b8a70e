"""A local page over a store: all runs, two of them side by side, campaigns, and every file.

    address ─▶ server     loopback only; whose Host is asked for, which method; headers
                │
                ▼
               routes     /  /run/…  /pair  /campaign  /files/…      what is answered
                │
                ▼
               listing, reports.runs, pair, campaign_page, files     what is shown

It only reads. Whoever may use this machine may read the store through it, as through the file
system; nobody else can: it listens on 127.0.0.1 and answers only requests for 127.0.0.1 or
localhost, so that a page from elsewhere cannot reach it through a name of its own (DNS rebinding).
Reports run in a sandbox of their own: even a forged one can ask for nothing else of the store.
"""

from __future__ import annotations

from reports.serve.server import StoreServer, make_server

__all__ = ["StoreServer", "make_server"]
