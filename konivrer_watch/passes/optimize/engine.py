"""The optimize engine: rules and bytes in, a verdict out. Nothing is executed and nothing is read."""

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

import msgspec

from konivrer_watch.core.model import Edit, Finding, Fix, Level, Pass, Problem, ProblemKind, Safety, Verdict
from konivrer_watch.passes.optimize.pattern import Captures, anchor_of, flatten
from konivrer_watch.passes.optimize.predicates import Bindings
from konivrer_watch.passes.optimize.rule import Ratios, Rule, load_rules
from konivrer_watch.passes.optimize.silence import Silences
from konivrer_watch.passes.optimize.source import Source
from konivrer_watch.passes.optimize.writer import Hit, RefusedError, Writer

_VERSION = sys.version_info[:2]
_PYTHON = f"{_VERSION[0]}.{_VERSION[1]}"
_STRINGS_OF_CODE = frozenset({"JoinedStr", "TemplateStr"})


class OptimizeSettings(msgspec.Struct, frozen=True):
    """Which rules speak, by id or its beginning. ``opt_in`` lets opt-in rules be applied automatically.

    An empty ``select`` selects every rule; ``ignore`` wins over it.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    opt_in: tuple[str, ...] = ()


class OptimizeEngine:
    """Judges one file at a time by a fixed set of rules; it keeps nothing between files."""

    def __init__(self, rules: Mapping[str, bytes], settings: OptimizeSettings) -> None:
        """Compile ``rules``, from file name to TOML; ``ValueError`` names file, key and reason of a bad one.

        A selector in ``settings`` that selects no rule is a ``ValueError`` too, naming its key.
        """
        self._rules = load_rules(rules)
        self._settings = settings
        for key, selectors in _selectors(settings).items():
            for selector in selectors:
                if not any(_selects((selector,), rule) for rule in self._rules):
                    raise ValueError(f"optimize.{key}: {selector!r} selects no rule")
        self._digest = _digest(rules, settings)
        self._by_anchor: dict[str | None, list[Rule]] = {}
        for rule in self._rules:
            chosen = not settings.select or _selects(settings.select, rule)
            if chosen and not _selects(settings.ignore, rule) and rule.runs_on(_VERSION):
                self._by_anchor.setdefault(rule.pattern.anchor, []).append(rule)

    @property
    def digest(self) -> bytes:
        """SHA-256 over the rules and the settings: equal digests on one Python mean equal verdicts."""
        return self._digest

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every loaded rule in the order of ids, the ones that the settings leave out included."""
        return self._rules

    def judge(self, data: bytes, tree: ast.Module | None = None) -> Verdict:
        """Judge one file's bytes; never raises.

        ``tree`` spares a parse where the caller has one of the same bytes, made by this interpreter.
        Columns and edits count from the text's first code point: a byte order mark has none.
        """
        try:
            source = Source.decode(data)
            parsed = source.parse() if tree is None else tree
        except SyntaxError as error:
            place = f"line {error.lineno}: " if error.lineno else ""
            return _unparsable(f"{place}{error.msg}")
        except (RecursionError, MemoryError):
            return _unparsable("nested too deeply")
        except (ValueError, LookupError) as error:
            return _unparsable(str(error))
        return self._judge(source, parsed)

    def _judge(self, source: Source, tree: ast.Module) -> Verdict:
        if source.is_ascii and not any(anchor is None or anchor in source.text for anchor in self._by_anchor):
            return Verdict()
        hits = list(self._hits(source, flatten(tree)))
        if not hits:
            return Verdict()
        silences = Silences(source)
        heard = [hit for hit in hits if not silences.cover(hit.start, hit.end, hit.rule.id)]
        # Of two edits that overlap, the one that may be applied by itself is offered, then the outer one.
        heard.sort(key=lambda hit: (self._rank(hit.rule), hit.start, -hit.end, hit.rule.id))
        writer = Writer(source)
        findings = [self._finding(hit, source, writer) for hit in heard]
        return Verdict(tuple(sorted(findings, key=lambda found: found.order)), len(hits) - len(heard))

    def _hits(self, source: Source, nodes: Sequence[ast.AST]) -> Iterator[Hit]:
        bindings = Bindings(nodes)
        fstrings: dict[int, ast.expr] | None = None
        for rule, node, captures in self._matches(nodes, bindings):
            if fstrings is None:
                fstrings = _fstrings(nodes)
            fstring = fstrings.get(id(node))
            start, end = source.span(fstring or node)
            yield Hit(rule, node, captures, start, end, fstring is not None)

    def _matches(
        self, nodes: Sequence[ast.AST], bindings: Bindings
    ) -> Iterator[tuple[Rule, ast.expr, Captures]]:
        unanchored = self._by_anchor.get(None, [])
        for node in nodes:
            if not isinstance(node, ast.expr):
                continue
            anchored = self._by_anchor.get(anchor_of(node) or "", []) if type(node) is ast.Call else []
            for rule in (*anchored, *unanchored):
                captures = rule.pattern.match(node)
                if captures is not None and all(check(captures, bindings) for check in rule.checks):
                    yield rule, node, captures

    def _finding(self, hit: Hit, source: Source, writer: Writer) -> Finding:
        document = hit.rule.document
        message = f"{document.title} ({document.why})"
        place = (*source.place(hit.start), *source.place(hit.end))
        fix: Fix | None = None
        if document.rewrite is not None:
            try:
                edit = Edit(*place, writer.write(hit, document.rewrite.template))
                told = f"{document.title}. {document.rewrite.divergence}".removesuffix(". ")
                fix = Fix(self._safety(hit.rule), told, (edit,))
            except RefusedError as refusal:
                message = f"{message}; not rewritten: {refusal}"
        return Finding(
            *place, pass_=Pass.OPTIMIZE, code=hit.rule.id, name=document.name,
            level=Level.NOTE, message=message, fix=fix, evidence=_told(_evidence(hit.rule)),
        )  # fmt: skip

    def _safety(self, rule: Rule) -> Safety:
        rewrite = rule.document.rewrite
        if rewrite is None or _evidence(rule) is None:
            return Safety.SUGGEST
        if rewrite.safety is Safety.OPT_IN and _selects(self._settings.opt_in, rule):
            return Safety.AUTO
        return rewrite.safety

    def _rank(self, rule: Rule) -> int:
        return tuple(Safety).index(self._safety(rule))


def _evidence(rule: Rule) -> Ratios | None:
    return rule.passing_evidence(_PYTHON) if sys.implementation.name == "cpython" else None


def _told(measured: Ratios | None) -> str | None:
    if measured is None:
        return None
    return f"measured {measured.worst:.2f}\u00d7 to {measured.best:.2f}\u00d7 on CPython {_PYTHON}, CPU time"


def _unparsable(reason: str) -> Verdict:
    hint = f"the optimize pass reads the grammar of Python {_PYTHON}; correct the file or exclude it"
    return Verdict(problem=Problem(ProblemKind.UNPARSABLE, f"cannot be parsed: {reason}", hint))


def _fstrings(nodes: Sequence[ast.AST]) -> dict[int, ast.expr]:
    """Map the identity of every node inside an f-string (or t-string) to the outermost one around it."""
    outermost: dict[int, ast.expr] = {}
    for node in nodes:
        if (
            isinstance(node, ast.expr)
            and type(node).__name__ in _STRINGS_OF_CODE
            and id(node) not in outermost
        ):
            outermost.update((id(part), node) for part in ast.walk(node))
    return outermost


def _selectors(settings: OptimizeSettings) -> Mapping[str, tuple[str, ...]]:
    return {"select": settings.select, "ignore": settings.ignore, "opt_in": settings.opt_in}


def _selects(selectors: tuple[str, ...], rule: Rule) -> bool:
    return any(selector and rule.id.startswith(selector) for selector in selectors)


def _digest(rules: Mapping[str, bytes], settings: OptimizeSettings) -> bytes:
    said = {key: sorted(set(selectors)) for key, selectors in _selectors(settings).items()}
    return sha256(msgspec.msgpack.encode((sorted(rules.values()), said))).digest()
