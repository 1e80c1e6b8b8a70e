r"""Reads EDN forms into plain JSON data, keeping no more of Clojure than a checker can use.

    nil true false 1 1N 1.5 1.5M "text"   as in JSON (N and M are dropped)
    :keyword  symbol  \c                  their text: "keyword", "symbol", "c"
    ##NaN ##Inf ##-Inf  1/3               the strings "##NaN", "##Inf", "##-Inf", "1/3"
    [..] (..)                             lists
    #{..}                                 lists in a fixed order, as sets have none
    {k v}                                 dicts; a key that is no text becomes its JSON text
    #tag form                             {"#tag": form}, whatever the tag means
    #_ form   ; comment   ,               nothing

Limits: metadata (^), quoting (' ` ~ @) and Clojure's other reader macros are no EDN and are
refused; numbers in other bases and nesting deeper than 256 levels too.

>>> forms = Forms(Source("x.edn", b'{:value [[:append 9 1]], 3 #{2 1}} :next'))
>>> forms.read(0)
Form(value={'value': [['append', 9, 1]], '3': [1, 2]}, start=0, end=34)
>>> forms.read(34).value
'next'
"""

from __future__ import annotations

import math
import re
from typing import Any, Final, NamedTuple

from harness.errors import MalformedHistory, UsageError
from harness.formats.source import Source
from harness.interning import encode, key_text

_DELIMITER = r'\s,;"()\[\]{}\\'
_TOKEN = re.compile(
    rf"""(?:[\s,]++|;[^\n]*+)*+(?:
      :(?P<keyword>[^{_DELIMITER}]+)
    | (?P<integer>[+-]?(?:0|[1-9][0-9]*))N?(?![^{_DELIMITER}])
    | (?P<string>"(?:[^"\\]++|\\.)*+")
    | (?P<open>\#\{{|[\[({{])
    | (?P<close>[\])}}])
    | (?P<word>[^{_DELIMITER}#:@^`~'][^{_DELIMITER}]*)
    | (?P<discard>\#_)
    | (?P<symbolic>\#\#(?:NaN|Inf|-Inf)(?![^{_DELIMITER}]))
    | (?P<tag>\#(?:[^{_DELIMITER}#:_@^`~'0-9][^{_DELIMITER}]*|:[^{_DELIMITER}]+|(?=")))
    | \\(?P<character>[^{_DELIMITER}]+|.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_REST = re.compile(r"(?:[\s,]++|;[^\n]*+)*+")
_FLOAT = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?M?")
_RATIO = re.compile(r"[+-]?[0-9]+/[0-9]+")
_NUMBER_LIKE = re.compile(r"[+-]?[0-9]")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[0-7]{1,3}|.)", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")

_WORDS: Final[dict[str, Any]] = {"nil": None, "true": True, "false": False}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\"}
_CHARACTERS: Final = {
    "newline": "\n",
    "space": " ",
    "tab": "\t",
    "return": "\r",
    "backspace": "\b",
    "formfeed": "\f",
}
_CLOSER: Final = {"[": "]", "(": ")", "{": "}", "#{": "}"}
_DISCARDED: Final = object()
_DEEPEST: Final = 256
_MOST_DIGITS: Final = 4000  # Python reads no more in one piece


class Form(NamedTuple):
    """A form and where it stands; for the bracket that ends an open list `value` is CLOSE."""

    value: Any
    start: int
    end: int


#: The value of a Form that is no form but a closing bracket.
CLOSE: Final = object()


class _Frame:
    """A collection, tag or discard that waits for forms."""

    __slots__ = ("collects", "items", "opener", "start")

    def __init__(self, opener: str, start: int) -> None:
        self.opener = opener  # a bracket, or the tag with its #, or "#_"
        self.start = start
        self.collects = opener in _CLOSER
        self.items: list[Any] = []


class Forms:
    """Reads one form after the other from the text of `source`, up to `limit`."""

    def __init__(self, source: Source, limit: int | None = None) -> None:
        self.source = source
        self._text = source.text
        self._limit = len(self._text) if limit is None else limit

    def peek(self, offset: int) -> int:
        """Where the next form, bracket or the end stands from `offset` on."""
        while True:
            match = _REST.match(self._text, offset, self._limit)
            offset = offset if match is None else match.end()
            if not self._text.startswith("#_", offset, self._limit):
                return offset
            discarded = self.read(offset + 2)
            if discarded is None or discarded.value is CLOSE:
                raise self.malformed(
                    self._limit if discarded is None else discarded.start, "a form after the '#_'"
                )
            offset = discarded.end

    def read(self, offset: int) -> Form | None:
        """The next form from `offset` on, None at the end. Raises MalformedHistory.

        A closing bracket that nothing opened here gives a Form of CLOSE.
        """
        text, limit, match_token = self._text, self._limit, _TOKEN.match
        frames: list[_Frame] = []
        items: list[Any] | None = None  # of the innermost frame, if that is a collection
        first = -1
        while (match := match_token(text, offset, limit)) is not None:
            kind = match.lastgroup
            offset = match.end()
            if kind == "keyword":
                value = match[1]
            elif kind == "open" or kind == "tag" or kind == "discard":
                frame = _Frame(match[kind], match.start(kind))
                if not frames:
                    first = frame.start
                elif len(frames) == _DEEPEST:
                    raise self.malformed(frame.start, f"at most {_DEEPEST} levels of nesting")
                frames.append(frame)
                items = frame.items if kind == "open" else None
                continue
            elif kind == "close":
                if not frames:
                    return Form(CLOSE, match.start(kind), offset)
                value = self._collect(frames.pop(), match[kind], match.start(kind))
                items = frames[-1].items if frames and frames[-1].collects else None
            else:
                value = self._atom(match)
            if items is not None:  # by far the most common case
                items.append(value)
                continue
            while frames and not frames[-1].collects:
                tag = frames.pop().opener
                if tag == "#_":
                    value = _DISCARDED
                    break
                value = {tag: value}
            items = frames[-1].items if frames and frames[-1].collects else None
            if value is _DISCARDED:  # an outer tag goes on waiting: #tag #_this that
                first = first if frames else -1
            elif items is not None:
                items.append(value)
            else:
                return Form(value, self.peek(match.start()) if first < 0 else first, offset)
        return self._end_or_error(offset, frames)

    def _end_or_error(self, offset: int, frames: list[_Frame]) -> Form | None:
        """The end of the text is an end only if nothing is open."""
        offset = self.peek(offset)
        if offset < self._limit:
            raise self.malformed(offset, _what_is_missing(self._text, offset))
        if not frames:
            return None
        frame = frames[-1]
        place = self.source.position(self._text, frame.start).partition(", ")[2]
        closer = _CLOSER.get(frame.opener)
        wanted = f"{closer!r} for the" if closer else "a form after the"
        raise self.malformed(offset, f"{wanted} {frame.opener!r} at {place}")

    def malformed(self, offset: int, expected: str, **texts: str) -> MalformedHistory:
        """The error that at `offset` something else was expected."""
        return self.source.malformed(offset, expected=expected, **texts)

    def _collect(self, frame: _Frame, closer: str, offset: int) -> Any:
        """The collection that `closer` at `offset` ends."""
        opener, items = frame.opener, frame.items
        wanted = _CLOSER.get(opener)
        if wanted != closer:
            place = self.source.position(self._text, frame.start).partition(", ")[2]
            what = f"{wanted!r} for the" if wanted else "a form after the"
            raise self.malformed(offset, f"{what} {opener!r} at {place}")
        if opener == "#{":
            return sorted(items, key=lambda item: self._encoded(item, frame.start))
        if opener != "{":
            return items
        if len(items) % 2:
            raise self.malformed(offset, "a value for the last key of the map")
        keys = [item if item.__class__ is str else key_text(item) for item in items[::2]]
        mapping = dict(zip(keys, items[1::2], strict=True))
        if len(mapping) != len(keys):
            twice = next(key for n, key in enumerate(keys) if key in keys[:n])
            raise self.malformed(
                frame.start, "a map whose keys differ", found=f"the key {twice!r} twice"
            )
        return mapping

    def _encoded(self, item: Any, offset: int) -> bytes:
        try:
            return encode(item)
        except UsageError as error:
            raise self.malformed(offset, f"plain data ({error})") from error

    def _atom(self, match: re.Match[str]) -> Any:
        kind = match.lastgroup
        text = match[kind or 0]
        try:
            if kind == "integer":
                if len(text) > _MOST_DIGITS:
                    raise ValueError(f"an integer of at most {_MOST_DIGITS} digits")
                return int(text)
            if kind == "word":
                return _WORDS[text] if text in _WORDS else _number_or_symbol(text)
            if kind == "string":
                return self._string(text, match.start(kind)) if "\\" in text else text[1:-1]
            return text if kind == "symbolic" else _character(text)
        except ValueError as error:
            raise self.malformed(self.peek(match.start()), str(error)) from None

    def _string(self, text: str, offset: int) -> str:
        def unescape(match: re.Match[str]) -> str:
            escape = match[1]
            if escape[0] == "u" and len(escape) == 5:
                return chr(int(escape[1:], 16))
            if escape[0] in "01234567":
                return chr(int(escape, 8))
            if escape not in _ESCAPES:
                raise self.malformed(
                    offset + match.start(), 'an escape: \\n \\t \\r \\b \\f \\" \\\\ \\uXXXX'
                )
            return _ESCAPES[escape]

        return _join_surrogates(_ESCAPE.sub(unescape, text[1:-1]))


def _join_surrogates(text: str) -> str:
    r"""`text` with \ud83d\ude00 made one character; raises ValueError on half a pair."""
    if _SURROGATE.search(text) is None:
        return text
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise ValueError("text without half surrogate pairs") from None


def _character(text: str) -> str:
    if len(text) == 1:
        return text
    if text in _CHARACTERS:
        return _CHARACTERS[text]
    if re.fullmatch("u[0-9a-fA-F]{4}", text):
        return _join_surrogates(chr(int(text[1:], 16)))
    if re.fullmatch("o[0-7]{1,3}", text):
        return chr(int(text[1:], 8))
    raise ValueError("a character: \\c, \\newline, \\space, \\tab, \\return or \\uXXXX")


def _number_or_symbol(text: str) -> float | str:
    """A number that is no plain integer, or the text of a symbol."""
    if not _NUMBER_LIKE.match(text):
        return text
    if _FLOAT.fullmatch(text):
        number = float(text.removesuffix("M"))
        if math.isinf(number):
            raise ValueError("a number that fits into 64 bits of floating point")
        return number
    if _RATIO.fullmatch(text):
        return text
    raise ValueError("a number: 12, 12N, 1.5, 1e9, 1.5M or 1/3 (and no leading zero)")


def _what_is_missing(text: str, offset: int) -> str:
    if text[offset] == '"':
        return "a string that ends with '\"'"
    if text.startswith("##", offset):
        return "##NaN, ##Inf or ##-Inf"
    return "an EDN form (a map, a list, a string, a number, a keyword ...)"
