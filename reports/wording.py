"""How a report says things: values, moments, durations and counts as short, harmless text.

Every string of a report that came from outside (values, errors, reasons, names) passes through
`visible` once, when the model is built. It makes control characters, bidirectional marks and
lone surrogates visible as escapes, so that a value can neither reorder the line it stands in nor
make the file unreadable, and it bounds the length and says so. It does not escape HTML: that
happens once as well, in the templates (autoescape).

Limits: combining characters are left alone; a text made of thousands of them stays ugly.

>>> value_text([1, "x", None])
'[1, "x", null]'
>>> visible("user\\u202ecod.exe")
'user\\\\u202ecod.exe'
>>> duration_text(8_040_000), moment_text(12_481_000_000), count_text(1, "operation")
('8.04 ms', '12.481 s', '1 operation')
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence, Set
from typing import Any

#: Longest text of one value, of one sentence from a checker, and of the replay command.
VALUE_CHARACTERS = 160
SENTENCE_CHARACTERS = 2_000
COMMAND_CHARACTERS = 20_000

# Control characters (tab and newline too), marks that change direction or join, line separators,
# non-characters, tags and lone surrogates: what a reader cannot see or a file cannot hold.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)


def visible(text: object, limit: int = SENTENCE_CHARACTERS, *, lines: bool = False) -> str:
    """`text` with unseen characters escaped and at most about `limit` characters of it kept.

    With `lines` true, newlines stay (for a block of preformatted text).
    """
    whole = text if isinstance(text, str) else str(text)
    shown = _UNSEEN.sub(_escape_but_newline if lines else _escape, whole[:limit])
    if len(whole) > limit:
        shown += f"… (cut here: {len(whole):,} characters in all)"
    return shown


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if match[0] in "\n\t\r":
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}[match[0]]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _escape_but_newline(match: re.Match[str]) -> str:
    return "\n" if match[0] == "\n" else _escape(match)


def value_text(value: Any, limit: int = VALUE_CHARACTERS) -> str:
    """`value` as compact JSON; what is no JSON is named by its type, never by its address."""
    try:
        encoded = json.dumps(_plain(value), ensure_ascii=False)
    except (ValueError, RecursionError):
        # An integer of thousands of digits, a cycle, or nesting without end.
        encoded = f"<{type(value).__name__} that cannot be written as JSON>"
    return visible(encoded, limit)


def _plain(value: Any) -> Any:
    """JSON-like data with the contents of `value`; sets sorted by their text, to be the same."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else json.dumps(_plain(key)): _plain(item)
            for key, item in value.items()
        }
    if isinstance(value, Set):
        return sorted((_plain(item) for item in value), key=json.dumps)
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return f"<{type(value).__name__}>"


def moment_text(time_ns: int, decimals: int = 3) -> str:
    """A point in time as seconds since the start: 12.481 s. Exact: floats lose nanoseconds."""
    step: int = 10 ** (9 - decimals)
    units = (abs(time_ns) + step // 2) // step
    sign = "-" if time_ns < 0 and units else ""
    if decimals == 0:
        return f"{sign}{units:,} s"
    whole, fraction = divmod(units, 10**decimals)
    return f"{sign}{whole:,}.{fraction:0{decimals}} s"


def decimals_needed(times_ns: Sequence[int]) -> int:
    """Digits after the point (3, 6 or 9) with which different moments read differently."""
    different = set(times_ns)
    for decimals in (3, 6):
        if len({moment_text(time_ns, decimals) for time_ns in different}) == len(different):
            return decimals
    return 9


def duration_text(duration_ns: int) -> str:
    """A length of time with three digits and the unit that suits it: 8.04 ms."""
    for size, unit in ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")):
        if duration_ns >= size:
            amount = duration_ns / size
            decimals = 0 if amount >= 100 else 1 if amount >= 10 else 2
            number = f"{amount:,.{decimals}f}"
            return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"
    return f"{duration_ns} ns"


def count_text(count: int, noun: str) -> str:
    """A count with its noun: 1 operation, 2,412 operations."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def clip(text: str, limit: int) -> str:
    """`text` shortened to `limit` characters for a label whose whole text stands elsewhere."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
