"""One row of a history: something that a client or a nemesis said, in Jepsen's terms.

An operation of a client takes two rows: the *invocation* (type `invoke`) and at most one
*completion*:

    invoke ──> ok      it happened, and `value` is its result
           ──> fail    it surely did not happen
           ──> info    nobody knows; it may happen at any time from now on
           ──> (none)  the run ended first: treated like `info`

Client processes are integers >= 0. Every other process is a name (such as "nemesis") and no
client: it writes `info` rows only, one when it begins and one when it is done.

Limits: `key`, `value` and `error` are plain JSON data (None, bool, int, float, str, list, dict
with str keys). A history turns what is nearly so (tuples, sets, int keys) into that form.

>>> Operation(index=0, time_ns=-1, process=3, type="invoke", f="cas", value=[1, 2]).is_client
True
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

OperationType = Literal["invoke", "ok", "fail", "info"]

#: The codes of the `type` column of a history; `TYPE_NAMES[code]` is the name.
INVOKE: Final = 0
OK: Final = 1
FAIL: Final = 2
INFO: Final = 3

TYPE_NAMES: Final[tuple[OperationType, ...]] = ("invoke", "ok", "fail", "info")
TYPE_CODES: Final[dict[str, int]] = {name: code for code, name in enumerate(TYPE_NAMES)}

#: `time_ns` of a row whose time nobody wrote down.
UNKNOWN_TIME_NS: Final = -1


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a history.

    `index` numbers the rows of the run; `time_ns` is nanoseconds since its start, -1 if unknown;
    `f` names the function ("read", "start-partition"); `key` names the independent object that
    the operation works on, None where there is only one; `error` says why it failed.
    """

    index: int
    time_ns: int
    process: int | str
    type: OperationType
    f: str
    key: Any = None
    value: Any = None
    error: Any = None

    @property
    def is_client(self) -> bool:
        """Whether a client made this row; a named process such as "nemesis" is none."""
        return isinstance(self.process, int)
