"""Finds in the source text of nodes what would make runs unrepeatable, before it happens.

| forbidden                                              | because                             |
|--------------------------------------------------------|-------------------------------------|
| importing time, threading, asyncio, trio, socket, ...  | nodes have a context for all of it  |
| uuid, secrets, os.urandom, functions of random         | entropy that no seed decides        |
| random.Random() without a seed                         | the same                            |
| datetime.now, utcnow, today                            | the wall clock                      |
| going through a set display, set(...), frozenset(...)  | the order of strings is drawn anew  |
|                                                        | in every process                    |

Sorting a set, counting it and asking it for members are fine; so is whatever ends in another set.

>>> for complaint in lint("import time\\nfor name in {'a', 'b'}:\\n    print(name)", "node.py"):
...     print(complaint)
node.py:1: it imports time; nodes use context.clock and context.set_timer
node.py:2: it goes through a set, whose order differs from process to process; sort it
>>> lint("votes = {1, 2}\\nif 3 in votes or sorted(votes) == [1]: pass", "node.py")
[]

Limits: it reads text. A set that came through a variable, or a module through `importlib`, gets
past it; `harness.simulation.guard` and the comparison of two processes look from other sides.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import lru_cache
from types import ModuleType

_CLOCK = "nodes use context.clock and context.set_timer"
_ENTROPY = "nodes use context.rng, which the seed of the run decides"
_TASKS = "nodes are called by the world and must not wait or run beside it"
_NETWORK = "nodes use context.send and context.disk"

#: Modules that no node may import, with what to use instead.
_MODULES = {
    **dict.fromkeys(("time", "sched"), _CLOCK),
    **dict.fromkeys(("uuid", "secrets"), _ENTROPY),
    **dict.fromkeys(
        ("threading", "_thread", "multiprocessing", "concurrent", "asyncio", "trio", "anyio"),
        _TASKS,
    ),
    **dict.fromkeys(("socket", "select", "selectors", "subprocess", "signal"), _NETWORK),
}

#: Single names that no node may use; of `random` all but the class are forbidden.
_NAMES = {
    **dict.fromkeys(("os.urandom", "os.getrandom"), _ENTROPY),
    **{
        f"datetime.{kind}.{name}": _CLOCK
        for kind in ("datetime", "date")
        for name in ("now", "utcnow", "today")
    },
}

#: Calls to which the order of an argument makes no difference.
_ORDER_FREE = ("sorted", "len", "min", "max", "sum", "any", "all", "set", "frozenset")
#: Calls that keep the order of an argument.
_IN_ORDER = ("list", "tuple", "iter", "enumerate", "zip", "map", "filter", "reversed", "dict")
_IN_ORDER_METHODS = ("join", "extend", "fromkeys", "writelines")


def lint(source: str, name: str) -> list[str]:
    """The complaints about `source`, in order, each as `name:line: what is wrong`."""
    return [f"{name}:{line}: {text}" for line, text in sorted(_visited(source).complaints)]


@lru_cache(maxsize=256)
def _visited(source: str) -> _Visitor:
    """What a walk through a source found: systems with many flaws show the same ones often."""
    visitor = _Visitor()
    visitor.visit(ast.parse(source))
    return visitor


@lru_cache(maxsize=256)
def lint_modules(*classes: type) -> tuple[str, ...]:
    """The complaints about all modules that `classes` are made of; see `modules_of`."""
    complaints: list[str] = []
    for module in modules_of(*classes):
        try:
            source = inspect.getsource(module)
        except (OSError, TypeError):
            continue  # compiled: there is no text to read
        complaints += lint(source, module.__name__)
    return tuple(complaints)


def modules_of(*classes: type) -> list[ModuleType]:
    """The modules of `classes` and their bases, and what they import from the same top package.

    The harness is not among them, nor is what others have installed.
    """
    start = [base.__module__ for owner in classes for base in owner.__mro__]
    tops = {name.partition(".")[0] for name in (owner.__module__ for owner in classes)}
    found: dict[str, ModuleType] = {}
    while start:
        name = start.pop(0)
        module = sys.modules.get(name)
        if name in found or module is None or name.partition(".")[0] not in tops - {"harness"}:
            continue
        found[name] = module
        start += _imported_by(module)
    return [found[name] for name in sorted(found)]


def _imported_by(module: ModuleType) -> list[str]:
    try:
        visitor = _visited(inspect.getsource(module))
    except (OSError, TypeError):
        return []
    package = (module.__package__ or "").split(".")
    names = []
    for level, name in visitor.imports:
        parents = package[: len(package) - level + 1] if level else []
        names.append(".".join([*parents, *filter(None, [name])]))
    # `from package import name` may mean a module or something in it
    return [*names, *(name.rpartition(".")[0] for name in names)]


class _Visitor(ast.NodeVisitor):
    """Walks one module; what a name means follows from its imports."""

    def __init__(self) -> None:
        self.complaints: set[tuple[int, str]] = set()
        self.imports: list[tuple[int, str]] = []
        self._bound: dict[str, str] = {}
        self._order_free: set[ast.AST] = set()

    def _complain(self, node: ast.AST, text: str) -> None:
        self.complaints.add((getattr(node, "lineno", 0), text))

    # ---- imports and names

    def visit_If(self, node: ast.If) -> None:
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
        if name != "TYPE_CHECKING":
            self.generic_visit(node)
            return
        for statement in node.orelse:
            self.visit(statement)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            top = alias.name.partition(".")[0]
            self.imports.append((0, alias.name))
            self._bound[alias.asname or top] = alias.name if alias.asname else top
            if top in _MODULES:
                self._complain(node, f"it imports {top}; {_MODULES[top]}")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        top = module.partition(".")[0]
        for alias in node.names:
            self.imports.append((node.level, f"{module}.{alias.name}" if module else alias.name))
            if node.level:
                continue
            self._bound[alias.asname or alias.name] = f"{module}.{alias.name}"
            self._check_name(node, f"{module}.{alias.name}")
        if top in _MODULES and not node.level:
            self._complain(node, f"it imports {top}; {_MODULES[top]}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._check_name(node, self._meaning(node))
        self.generic_visit(node)

    def _meaning(self, node: ast.expr) -> str:
        """The full name of what an expression names, as far as imports tell; "" otherwise."""
        if isinstance(node, ast.Name):
            return self._bound.get(node.id, "")
        if isinstance(node, ast.Attribute):
            owner = self._meaning(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        return ""

    def _check_name(self, node: ast.AST, name: str) -> None:
        cure = _NAMES.get(name)
        module, _, member = name.rpartition(".")
        if module == "random" and member != "Random":
            cure = _ENTROPY
        if cure is not None:
            self._complain(node, f"it uses {name}; {cure}")

    # ---- sets in an order

    def visit_For(self, node: ast.For) -> None:
        self._check_order(node.iter)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        self._check_order(node.value)
        self.generic_visit(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self.generic_visit(node)  # a set again: the order is forgotten

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._visit_comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._visit_comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._visit_comprehension(node)

    def _visit_comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.DictComp) -> None:
        if node not in self._order_free:
            for generator in node.generators:
                self._check_order(generator.iter)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Name) and function.id in _ORDER_FREE:
            self._order_free.update(node.args)
        in_order = (isinstance(function, ast.Name) and function.id in _IN_ORDER) or (
            isinstance(function, ast.Attribute) and function.attr in _IN_ORDER_METHODS
        )
        if in_order and node not in self._order_free:
            for argument in node.args:
                self._check_order(argument)
        if self._meaning(function) == "random.Random" and not (node.args or node.keywords):
            self._complain(node, f"it makes a random.Random() without a seed; {_ENTROPY}")
        self.generic_visit(node)

    def _check_order(self, expression: ast.expr) -> None:
        if _is_set(expression):
            self._complain(
                expression,
                "it goes through a set, whose order differs from process to process; sort it",
            )


def _is_set(expression: ast.expr) -> bool:
    if isinstance(expression, ast.BinOp):
        return _is_set(expression.left) or _is_set(expression.right)
    if isinstance(expression, ast.Call):
        return getattr(expression.func, "id", "") in ("set", "frozenset")
    return isinstance(expression, ast.Set | ast.SetComp)
