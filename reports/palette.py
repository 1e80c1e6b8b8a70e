"""The colours of a report, as data, for light and dark; and the arithmetic of their contrast.

Colour is never alone: outcomes also differ by fill (ok filled, fail outlined, info hatched with an
open right end), verdicts by shape and word, faults by letter and lane. The tests compute every
pair named in `TEXT_PAIRS` (at least 4.5 : 1) and `GRAPHIC_PAIRS` (at least 3 : 1), in both themes.
The formula is the relative luminance of WCAG 2.2.

>>> round(contrast("#000000", "#ffffff"), 1)
21.0
>>> round(contrast(LIGHT["ink"], LIGHT["paper"])) > 4.5
True
"""

from __future__ import annotations

from collections.abc import Mapping

#: Names of CSS variables (without the dashes) -> colour.
LIGHT: Mapping[str, str] = {
    "paper": "#ffffff",
    "raised": "#f5f6f9",
    "line": "#d5d9e0",
    "ink": "#1a1d23",
    "muted": "#545c68",
    "link": "#1f55b5",
    "ok": "#2f6fde",
    "info": "#b7791f",
    "fail": "#b23a48",
    "info-text": "#85560f",
    "on-mark": "#ffffff",
    "pass": "#1d7a46",
    "unknown": "#8f5d12",
    "skipped": "#5c6470",
    "culprit-wash": "#fbe9eb",
    "fault-0": "#7c4dff",
    "fault-1": "#b832d6",
    "fault-2": "#4f5bd5",
    "fault-3": "#d13fa4",
    "fault-4": "#6a4fb0",
    "fault-5": "#9b59d0",
}
DARK: Mapping[str, str] = {
    "paper": "#101318",
    "raised": "#1a1e26",
    "line": "#353c48",
    "ink": "#e8ebf0",
    "muted": "#a7b0bd",
    "link": "#8db4ff",
    "ok": "#6b9dff",
    "info": "#e0a545",
    "fail": "#f2808c",
    "info-text": "#e0a545",
    "on-mark": "#101318",
    "pass": "#5cc98d",
    "unknown": "#e0a545",
    "skipped": "#a7b0bd",
    "culprit-wash": "#3a1c22",
    "fault-0": "#a78bff",
    "fault-1": "#dc7bf0",
    "fault-2": "#8f9aff",
    "fault-3": "#f283cd",
    "fault-4": "#b39be8",
    "fault-5": "#c79af0",
}
#: How many violets there are; further kinds of fault start again (their letters differ).
FAULT_COLOURS = sum(name.startswith("fault-") for name in LIGHT)
#: How strongly a fault tints the drawing behind the operations, and its own lane.
BAND_OPACITY = 0.13
LANE_OPACITY = 0.34

_ON_BOTH = ("paper", "raised")
#: (text, background) that a reader must be able to read.
TEXT_PAIRS: tuple[tuple[str, str], ...] = (
    *((text, ground) for text in ("ink", "muted", "link", "info-text") for ground in _ON_BOTH),
    *(("on-mark", verdict) for verdict in ("pass", "fail", "unknown", "skipped")),
    *((outcome, ground) for outcome in ("fail", "pass") for ground in _ON_BOTH),
    ("ink", "culprit-wash"),
    ("muted", "culprit-wash"),
    ("fail", "culprit-wash"),
)
#: (mark, background) that a reader must be able to tell apart.
GRAPHIC_PAIRS: tuple[tuple[str, str], ...] = tuple(
    (mark, ground)
    for mark in ("ok", "info", "fail", *(f"fault-{n}" for n in range(FAULT_COLOURS)))
    for ground in _ON_BOTH
)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours `#rrggbb`, between 1 and 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def blend(colour: str, opacity: float, ground: str) -> str:
    """What the eye sees where `colour` at `opacity` (0 to 1) lies on `ground`."""
    mixed = (
        round(opacity * top + (1 - opacity) * below)
        for top, below in zip(_channels(colour), _channels(ground), strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def css_variables(theme: Mapping[str, str]) -> str:
    """The declarations of `theme`, for a rule of a style sheet."""
    return "".join(f"--{name}:{colour};" for name, colour in theme.items())


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
