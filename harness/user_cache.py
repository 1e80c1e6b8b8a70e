"""Where things are kept that are made or fetched once for a user: compiled modules, releases.

>>> from unittest.mock import patch
>>> with patch.dict(os.environ, SPLITBRAIN_CACHE="/somewhere/else"):
...     str(user_cache())
'/somewhere/else'
"""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """`$SPLITBRAIN_CACHE`, or `splitbrain` in the user's cache (`$XDG_CACHE_HOME`, `~/.cache`)."""
    named = os.environ.get("SPLITBRAIN_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "splitbrain"
