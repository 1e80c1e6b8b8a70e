"""Columns of whole numbers as few bytes: differences, zigzag, seven bits a byte.

    1000 1010 1005  ─▶  +1000 +10 -5  ─▶  2000 20 9  ─▶  d0 0f 14 09
             differences            zigzag: 0 -1 1 -2 2 ...    low seven bits first, high bit: more

Times that go forward, row numbers and ids of what was seen before all have small differences;
what is left compresses well. The page of a report unpacks the same bytes (reports/scripts/data.js).

>>> pack([1000, 1010, 1005]).hex()
'd00f1409'
>>> unpack(pack([3, -7, 1 << 62])).tolist()
[3, -7, 4611686018427387904]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BYTES_MAX = 10  # of one number: 64 bits, seven a byte


def pack(numbers: Sequence[int] | NDArray[np.int64]) -> bytes:
    """`numbers`, each within 63 bits and the sign, as bytes."""
    column = np.asarray(numbers, dtype=np.int64)
    steps = np.diff(column, prepend=np.int64(0))
    zigzag = ((steps << 1) ^ (steps >> 63)).view(np.uint64)
    size = np.ones(len(zigzag), dtype=np.int64)
    longest = int(zigzag.max(initial=0)).bit_length()
    for place in range(1, -(-max(longest, 1) // 7)):
        size += zigzag >= np.uint64(1 << 7 * place)
    first = np.cumsum(size) - size
    packed = np.zeros(int(size.sum()), dtype=np.uint8)
    for place in range(int(size.max(initial=0))):
        reaching = np.flatnonzero(size > place)
        low = (zigzag[reaching] >> np.uint64(7 * place)).astype(np.uint8) & np.uint8(0x7F)
        more = np.where(size[reaching] > place + 1, np.uint8(0x80), np.uint8(0))
        packed[first[reaching] + place] = low | more
    return packed.tobytes()


def unpack(packed: bytes) -> NDArray[np.int64]:
    """What `pack` packed. Raises ValueError if the bytes end in the middle of a number."""
    data = np.frombuffer(packed, dtype=np.uint8)
    ends = np.flatnonzero(data < 0x80)
    if len(data) and (not len(ends) or ends[-1] != len(data) - 1):
        raise ValueError("the column ends in the middle of a number")
    starts = np.concatenate([np.zeros(min(1, len(ends)), dtype=np.int64), ends[:-1] + 1])
    size = ends - starts + 1
    if int(size.max(initial=0)) > _BYTES_MAX:
        raise ValueError("the column has a number of more than 64 bits")
    zigzag = np.zeros(len(ends), dtype=np.uint64)
    for place in range(int(size.max(initial=0))):
        reaching = np.flatnonzero(size > place)
        low = (data[starts[reaching] + place] & np.uint8(0x7F)).astype(np.uint64)
        zigzag[reaching] |= low << np.uint64(7 * place)
    steps = (zigzag >> np.uint64(1)).view(np.int64) ^ -(zigzag & np.uint64(1)).view(np.int64)
    return np.cumsum(steps)
