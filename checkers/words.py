"""How verdicts count: in words that fit one thing as well as many.

>>> all_of(3, "replica", "show"), all_of(1, "replica", "show"), all_of(1, "node", "are")
('all 3 replicas show', 'the only replica shows', 'the only node is')
>>> all_of(0, "operation"), all_of(2_000, "operation")
('all 0 operations', 'all 2,000 operations')
"""

from __future__ import annotations

_OF_ONE = {"are": "is"}


def all_of(number: int, noun: str, verb: str = "") -> str:
    """All of the things that there are, and what they do; the plural of `noun` ends in s."""
    did = _OF_ONE.get(verb, f"{verb}s") if verb and number == 1 else verb
    whole = f"the only {noun}" if number == 1 else f"all {number:,} {noun}s"
    return f"{whole} {did}" if did else whole
