"""Where things are kept that are made or fetched once for a user: compiled modules, releases.

>>> from unittest.mock import patch
>>> with patch.dict(os.environ, SPLITBRAIN_CACHE="/somewhere/else"):
...     str(user_cache())
'/somewhere/else'
"""

from __future__ import annotations

import os
from pathlib import Path


def cannot_be_kept(what: str, folder: Path, error: OSError) -> str:
    """The text of an error about `what` that there is no place for in the cache, with the cure."""
    return (
        f"{what} cannot be kept in {str(folder)!r}: {error}. Name a folder that can be written in "
        "SPLITBRAIN_CACHE."
    )


def user_cache() -> Path:
    """`$SPLITBRAIN_CACHE`, or `splitbrain` in the user's cache (`$XDG_CACHE_HOME`, `~/.cache`)."""
    named = os.environ.get("SPLITBRAIN_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "splitbrain"
