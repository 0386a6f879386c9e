"""One tree under bandit's plugins, visited as bandit visits it, leaving out what can have no result.

Where a plugin has something to say, or fails, bandit's own ``run_tests`` runs again and decides; so the
result, ``# nosec`` and the counts are its work. What is left out, and why that changes nothing:

- nodes of a type that no plugin checks: bandit only builds a context for them;
- line ranges, unless there is a result: only results and ``# nosec`` read them;
- the blacklist of calls, unless the name is on it: a look-up instead of a comparison with each entry;
- the search of all imports for a part of a name, made several times at every call: once for each part.

Order, parents and siblings are those of bandit 1.9 ``core/node_visitor.py`` ``generic_visit``.
"""

import ast
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any, TypeAlias

from bandit.core import utils
from bandit.core.blacklisting import blacklist
from bandit.core.context import Context

FAULTS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What bandit's own plugins can raise on a tree they did not expect."""

DEEPEST = 200
"""Levels of nesting at which no plugin nears the recursion limit; they recurse up to three times as deep."""

_IMPORTERS = frozenset({"importlib.import_module", "importlib.__import__"})
_CONSTANTS = frozenset({"Constant", "Str", "Bytes", "Num", "Ellipsis", "NameConstant"})
_BARE = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)

Test: TypeAlias = Callable[..., Any]


class TooDeepError(Exception):
    """The tree nests so deeply that only bandit itself can say whether bandit could read it."""


class Tests:
    """bandit's tests by what they check, sorted once for many walks."""

    def __init__(self, by_check: Mapping[str, list[Test]]) -> None:
        calls = by_check.get("Call", [])
        self.strings = _Probe(by_check.get("Str", []))
        self.calls = _Probe([test for test in calls if not _is_blacklist(test)])
        self.blacklisted: frozenset[str] | None = None
        for test in filter(_is_blacklist, calls):
            config = getattr(test, "_config", {})
            self.blacklisted = frozenset(name for entry in config["Call"] for name in entry["qualnames"])
        named = by_check.keys() - _CONSTANTS - {"Call", "File"}
        self.bandits = frozenset(
            {
                ast.Import,
                ast.ImportFrom,
                ast.ClassDef,
                ast.FunctionDef,
                *(getattr(ast, name) for name in named),
            }
        )
        self.bytes = "Bytes" in by_check

    def may_be_blacklisted(self, call: ast.Call, name: str) -> bool:
        """Whether bandit's blacklist, asked about this call of ``name``, could find something or fail."""
        if self.blacklisted is None:
            return False
        builtin = isinstance(call.func, ast.Name) and call.func.id == "__import__"
        return builtin or name in self.blacklisted or name in _IMPORTERS


class _Probe:
    """Asks tests whether they have anything to say, without keeping what they say."""

    def __init__(self, tests: list[Test]) -> None:
        self._plain = tuple(test for test in tests if not hasattr(test, "_config"))
        self._configured = tuple((test, test._config) for test in tests if hasattr(test, "_config"))

    def stirs(self, raw: dict[str, Any], imports: "_Imports") -> bool:
        """Whether a test has a result in this context, or fails."""
        context = Context(raw)
        context.is_module_imported_like = imports.like
        try:
            for test in self._plain:
                if test(context) is not None:
                    return True
            for test, config in self._configured:
                if test(context, config) is not None:
                    return True
        except FAULTS:
            return True
        return False


class _Imports:
    """Answers, for the names a file has imported so far, whether a text is part of any; and remembers."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._count = 0
        self._answers: dict[str, bool] = {}

    def like(self, module: str) -> bool:
        """Whether ``module`` is part of an imported name, as ``Context.is_module_imported_like``."""
        if len(self._names) != self._count:
            self._count = len(self._names)
            self._answers.clear()
        answer = self._answers.get(module)
        if answer is None:
            answer = self._answers[module] = any(module in name for name in self._names)
        return answer


class Walk:
    """Visits one tree on behalf of one of bandit's visitors, whose tester collects the results."""

    def __init__(self, visitor: Any, tests: Tests) -> None:
        self._visitor = visitor
        self._run_tests = visitor.tester.run_tests
        self._tests = tests
        self._imports = _Imports(visitor.imports)
        self._linked: list[Any] = []
        self._aliases: dict[str, str] = visitor.import_aliases
        self._shared = {
            "imports": visitor.imports,
            "import_aliases": visitor.import_aliases,
            "filename": visitor.fname,
            "file_data": visitor.fdata,
            "linerange": None,
        }

    def below(self, node: ast.AST, depth: int = 0) -> None:
        """Visit everything below ``node``. ``TooDeepError`` past ``DEEPEST`` levels."""
        if depth > DEEPEST:
            raise TooDeepError
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                for item, sibling in zip_longest(value, value[1:]):
                    if isinstance(item, ast.AST):
                        self._visit(item, node, sibling, depth)
            elif isinstance(value, ast.AST) and not isinstance(value, _BARE):
                self._visit(value, node, None, depth)

    def unlink(self) -> None:
        """Take the parents from the nodes again, so that the tree goes with its last reference.

        Left to the garbage collector, that takes as long as the visit.
        """
        for node in self._linked:
            node._bandit_parent = None

    def _visit(self, node: Any, parent: ast.AST, sibling: object, depth: int) -> None:
        node._bandit_parent = parent
        node._bandit_sibling = sibling
        self._linked.append(node)
        kind = type(node)
        if kind is ast.Name:
            return
        if kind is ast.Constant:
            self._constant(node, parent)
            return
        if kind is ast.Call:
            self._call(node)
        if kind in self._tests.bandits:
            self._visitor.pre_visit(node)
            self._visitor.visit(node)
            self.below(node, depth + 1)
            self._visitor.post_visit(node)
        else:
            self.below(node, depth + 1)

    def _call(self, node: ast.Call) -> None:
        name = utils.get_call_name(node, self._aliases)
        raw = self._context(node)
        raw.update(call=node, qualname=name, name=name.rpartition(".")[2])
        if self._tests.may_be_blacklisted(node, name) or self._tests.calls.stirs(raw, self._imports):
            self._decide(raw, "Call", node)

    def _constant(self, node: ast.Constant, parent: ast.AST) -> None:
        if isinstance(node.value, str):
            if isinstance(parent, ast.Expr):
                return
            raw = self._context(node)
            raw["str"] = node.value
            if self._tests.strings.stirs(raw, self._imports):
                self._decide(raw, "Str", parent)
        elif isinstance(node.value, bytes) and self._tests.bytes:
            self._visitor.pre_visit(node)
            self._visitor.visit(node)

    def _decide(self, raw: dict[str, Any], check: str, spanning: ast.AST) -> None:
        raw["linerange"] = utils.linerange(spanning)
        self._visitor.context = raw
        self._run_tests(raw, check)

    def _context(self, node: ast.expr) -> dict[str, Any]:
        return {
            **self._shared,
            "node": node,
            "lineno": node.lineno,
            "col_offset": node.col_offset,
            "end_col_offset": node.end_col_offset,
        }


def _is_blacklist(test: Test) -> bool:
    return getattr(test, "__code__", None) is blacklist.__code__
