"""Equal values get equal small integers, so that histories compare numbers instead of data.

A value in a history is *what its JSON text decodes to*. That one rule makes a history in memory
and the same history read back from disk the same thing, whatever a client returned:

    tuple, set               -> list (a set in a fixed order: sets have none)
    int, float or bool keys  -> str keys, as JSON has them
    NaN, infinity            -> the strings "##NaN", "##Inf", "##-Inf", as EDN spells them
    everything else          -> UsageError: it could not be written down and judged again

Two values have the same identifier if and only if they are the same JSON data: 1, 1.0, True and
"1" are four values; lists are equal by elements; dicts are equal whatever their order.

Limits: bytes, dates and the like become the text that JSON encoders give them (bytes: base64).
Lists and dicts are nested at most `DEEPEST` levels (in EDN one less with a key, which is half of a
pair there): how much deeper a decoder goes depends on the interpreter, and on the stack in use.

>>> interner = Interner()
>>> [interner.intern(v) for v in (None, 1, 1.0, True, "1", [1, "x"], (1, "x"))]
[0, 1, 2, 3, 4, 5, 5]
>>> interner.table()
(None, 1, 1.0, True, '1', [1, 'x'])
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from harness.errors import UsageError

#: The levels of nesting that a value has at most; [] has one.
DEEPEST: Final = 200
_TOO_DEEP: Final = f"it is nested more than {DEEPEST} levels deep, or holds itself"

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder()
_CONTAINERS = (list, tuple, dict)
#: A bracket goes a level down or up, as bytes of 1 and -1; nothing else does.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_STEPS = bytes(set(range(256)) - set(b"[{]}"))


def encode(value: Any) -> bytes:
    """The canonical JSON text of `value`: equal texts mean equal values.

    Raises UsageError if `value` is no data that JSON can hold, or nested too deeply.
    """
    try:
        data = _ENCODER.encode(value)
        if len(data) > 2 * DEEPEST:
            _refuse_depth(data)
        # The encoder turns NaN into null; we must not. (`find` as it is much faster than `in`.)
        if data.find(b"null") < 0 or value is None:
            return data
        if data.count(b"null") == _nones(value):
            return data  # every null is a None
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass
    return _encode_plainly(value)


def _nones(value: Any) -> int:
    """How many None there are in lists, tuples and dicts with text for keys; those of other things
    are not counted."""
    kind = type(value)
    if kind is list or kind is tuple:
        items = value
    elif kind is dict and all(type(key) is str for key in value):
        items = list(value.values())
    else:
        return 0
    count: int = items.count(None)
    for item in items:
        if type(item) in _CONTAINERS:
            count += _nones(item)
    return count


def decode(data: bytes) -> Any:
    """The value that the JSON text `data` stands for, sharing nothing with any other value.

    Raises what msgspec raises on text that is no JSON, and RecursionError on too deep nesting.
    """
    value = _DECODER.decode(data)
    if len(data) > 2 * DEEPEST:
        _refuse_depth(data)
    return value


def _refuse_depth(data: bytes) -> None:
    """Raises RecursionError if the JSON text `data` has more than `DEEPEST` levels."""
    if data.count(b"[") + data.count(b"{") <= DEEPEST:
        return  # nearly always
    unescaped = data.replace(rb"\\", b"").replace(rb"\"", b"")
    outside_texts = b"".join(unescaped.split(b'"')[::2])
    steps = outside_texts.translate(_STEPS, _NO_STEPS)
    levels = np.frombuffer(steps, dtype=np.int8).cumsum(dtype=np.int64)
    if levels.max(initial=0) > DEEPEST:
        raise RecursionError(_TOO_DEEP)


def key_text(key: Any) -> str:
    """The text that a dict has for `key` in JSON: itself if it is text, else its own JSON text."""
    plain = _plain(key)
    return plain if isinstance(plain, str) else _ENCODER.encode(plain).decode()


class Interner:
    """A growing table of distinct values; entry 0 is None."""

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self._values: list[Any] = [None]
        # An int and a str never equal each other, so they are their own keys; every other value
        # is found by its canonical text in bytes, which equals neither.
        self._ids: dict[int | str | bytes, int] = {}
        self._unencoded: list[int] = []  # entries that `_ids` lacks so far, see `after`
        for value in values:
            self.intern(value)

    @classmethod
    def after(cls, table: Sequence[Any]) -> Interner:
        """One that goes on from `table`, the whole table of another.

        Its numbers and texts are found at once; what is neither is encoded when anything like it
        is looked for, which for large tables is seldom.
        """
        interner = cls()
        interner._values = list(table)
        scalar = (int, str)
        interner._ids = {
            value: identifier for identifier, value in enumerate(table) if type(value) in scalar
        }
        if len(interner._ids) + 1 < len(table):
            interner._unencoded = [
                identifier
                for identifier, value in enumerate(table)
                if identifier and type(value) not in scalar
            ]
        return interner

    def __len__(self) -> int:
        return len(self._values)

    def table(self) -> tuple[Any, ...]:
        """The distinct values by identifier."""
        return tuple(self._values)

    def intern(self, value: Any) -> int:
        """The identifier of `value`; the same for equal values. Raises UsageError on non-data.

        The table keeps a copy of its own, so a caller may go on changing its list.
        """
        if value is None:
            return 0
        kind = type(value)
        if kind is int or kind is str:
            found = self._ids.get(value)
            if found is not None:
                return found
            if kind is str:
                encode(value)  # only to refuse text that no file could hold
            return self._add(value, value)
        data = encode(value)
        self._encode_the_rest()
        found = self._ids.get(data)
        return self.intern_json(data) if found is None else found

    def intern_json(self, text: bytes) -> int:
        """The identifier of the value that `text` is the JSON of, canonical or not.

        Raises what `decode` raises.
        """
        plain = decode(text)
        if plain is None:
            return 0
        kind = type(plain)
        key = plain if kind is int or kind is str else _ENCODER.encode(plain)
        self._encode_the_rest()
        found = self._ids.get(key)
        return self._add(key, plain) if found is None else found

    def find(self, value: Any) -> int:
        """The identifier of `value`, or -1 if the table does not have it."""
        if value is None:
            return 0
        plain = decode(encode(value))
        if plain is None:
            return 0
        kind = type(plain)
        self._encode_the_rest()
        return self._ids.get(plain if kind is int or kind is str else encode(value), -1)

    def _encode_the_rest(self) -> None:
        if self._unencoded:
            for identifier in self._unencoded:
                self._ids[_ENCODER.encode(self._values[identifier])] = identifier
            self._unencoded = []

    def _add(self, key: int | str | bytes, value: Any) -> int:
        identifier = self._ids[key] = len(self._values)
        self._values.append(value)
        return identifier


def _encode_plainly(value: Any) -> bytes:
    """`encode` for what the fast encoder refuses or would distort."""
    try:
        data = _ENCODER.encode(_plain(value))
        _refuse_depth(data)
        return data
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        text = repr(value) if type(value) in (int, str, float, bytes) else type(value).__name__
        why = _TOO_DEEP if isinstance(error, RecursionError) else error
        raise UsageError(
            f"The value {text[:60]} cannot be kept in a history: {why}.\n"
            "Keys, values and errors are plain JSON data, so that a history on disk is the history "
            "that was judged.\nUsually a client returned an object of its library; return None, "
            "bool, int, float, str, list or dict instead."
        ) from error


def _plain(value: Any) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is int or kind is str:
        return value
    if isinstance(value, float):
        return _plain_float(value)
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=_ENCODER.encode)
    if isinstance(value, list | tuple) and not isinstance(value, msgspec.Struct):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not hasattr(value, "name"):  # a subclass, but no Enum
        return int(value)
    if isinstance(value, str) and not hasattr(value, "name"):
        return str(value)
    # dataclasses, Structs, Enums, dates: whatever the encoder makes of them, looked at again
    return _plain(msgspec.to_builtins(value, order="deterministic"))


def _plain_float(value: float) -> float | str:
    if math.isnan(value):
        return "##NaN"
    if math.isinf(value):
        return "##Inf" if value > 0 else "##-Inf"
    return float(value)


def _plain_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        name = key_text(key)
        if name in plain:
            raise ValueError(f"two keys of a dict are both {name!r} in JSON")
        plain[name] = _plain(item)
    return plain
