"""Units of time in nanoseconds, in which all time is counted.

>>> SECOND_NS // MILLISECOND_NS
1000
"""

from __future__ import annotations

from typing import Final

MILLISECOND_NS: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000
