"""The optimize engine: rules and bytes in, a verdict out. Nothing is executed and nothing is read."""

import ast
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import sha256

import msgspec

from konivrer_watch.core.model import Edit, Finding, Fix, Level, Pass, Problem, ProblemKind, Safety, Verdict
from konivrer_watch.passes.optimize.pattern import Captures, anchor_of, flatten, same
from konivrer_watch.passes.optimize.predicates import Bindings
from konivrer_watch.passes.optimize.rule import SLOT, Rule, load_rules
from konivrer_watch.passes.optimize.source import Source

_SILENCE = re.compile(r"#\s*konivrer:\s*ignore(?:\[([^\]]*)\])?(?![\w\[-])")
_ATOMS = (
    ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Call, ast.List, ast.Dict, ast.Set,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.JoinedStr,
)  # fmt: skip
_VERSION = sys.version_info[:2]


class OptimizeSettings(msgspec.Struct, frozen=True):
    """Which rules speak, by id or its beginning. ``opt_in`` lets opt-in rules be applied automatically."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    opt_in: tuple[str, ...] = ()


class _Hit(msgspec.Struct, frozen=True):
    """A rule that matched, what it captured, and where it stands in the text."""

    rule: Rule
    node: ast.expr
    captures: Captures
    start: int
    end: int


class _Refused(Exception):
    """Why an edit is not offered."""


class OptimizeEngine:
    """Judges one file at a time by a fixed set of rules."""

    def __init__(self, rules: Mapping[str, bytes], settings: OptimizeSettings) -> None:
        loaded = load_rules(rules)
        for selector in (*settings.select, *settings.ignore, *settings.opt_in):
            if not any(_selects((selector,), rule) for rule in loaded):
                raise ValueError(f"{selector!r} selects no optimize rule")
        self._settings = settings
        self._digest = _digest(rules, settings)
        self._by_anchor: dict[str | None, list[Rule]] = {}
        for rule in loaded:
            chosen = not settings.select or _selects(settings.select, rule)
            if chosen and not _selects(settings.ignore, rule) and rule.runs_on(_VERSION):
                self._by_anchor.setdefault(rule.pattern.anchor, []).append(rule)

    @property
    def digest(self) -> bytes:
        """SHA-256 over the rules and the settings: an equal digest on one Python means equal verdicts."""
        return self._digest

    def judge(self, data: bytes, tree: ast.Module | None = None) -> Verdict:
        """Judge one file's bytes; ``tree`` spares a parse where the caller has one of the same bytes."""
        try:
            source = Source.decode(data)
            parsed = tree if tree is not None and source.is_utf8 else source.parse()
            return self._judge(source, parsed)
        except SyntaxError as error:
            place = f"line {error.lineno}: " if error.lineno else ""
            reason = f"{place}{error.msg}"
        except RecursionError:
            reason = "nested too deeply"
        except (ValueError, LookupError) as error:
            reason = str(error)
        version = ".".join(map(str, _VERSION))
        hint = f"the optimize pass reads the grammar of Python {version}; correct the file or exclude it"
        return Verdict(problem=Problem(ProblemKind.UNPARSABLE, f"cannot be parsed: {reason}", hint))

    def _judge(self, source: Source, tree: ast.Module) -> Verdict:
        if not any(anchor is None or anchor in source.text for anchor in self._by_anchor):
            return Verdict()
        nodes = flatten(tree)
        hits = sorted(self._hits(source, nodes), key=lambda hit: (hit.start, -hit.end, hit.rule.id))
        if not hits:
            return Verdict()
        silence = _silences(source)
        heard = [
            hit
            for hit in hits
            if not _silenced(silence.get(source.place(hit.start)[0], frozenset()), hit.rule.id)
        ]
        writer = _Writer(source, nodes)
        findings = [self._finding(hit, writer) for hit in heard]
        return Verdict(tuple(sorted(findings, key=lambda found: found.order)), len(hits) - len(heard))

    def _hits(self, source: Source, nodes: Sequence[ast.AST]) -> Iterable[_Hit]:
        bindings = Bindings(nodes)
        unanchored = self._by_anchor.get(None, [])
        for node in nodes:
            if not isinstance(node, ast.expr):
                continue
            anchored = self._by_anchor.get(anchor_of(node) or "", []) if type(node) is ast.Call else []
            for rule in (*anchored, *unanchored):
                captures = rule.pattern.match(node)
                if captures is not None and all(check(captures, bindings) for check in rule.checks):
                    yield _Hit(rule, node, captures, *source.span(node))

    def _finding(self, hit: _Hit, writer: "_Writer") -> Finding:
        document = hit.rule.document
        message = f"{document.title} ({document.why})"
        line, column, end_line, end_column = writer.places(hit)
        measured = hit.rule.passing_evidence(_VERSION)
        fix: Fix | None = None
        if document.rewrite is not None:
            try:
                edit = Edit(line, column, end_line, end_column, writer.write(hit, document.rewrite.template))
                told = f"{document.title}. {document.rewrite.divergence}".removesuffix(". ")
                fix = Fix(self._safety(hit.rule, document.rewrite.safety), told, (edit,))
            except _Refused as refusal:
                message = f"{message}; not rewritten: {refusal}"
        evidence = None
        if measured is not None:
            version = ".".join(map(str, _VERSION))
            evidence = (
                f"measured {measured.worst:.2f}× to {measured.best:.2f}× on CPython {version}, CPU time"
            )
        return Finding(
            line, column, end_line, end_column, pass_=Pass.OPTIMIZE, code=hit.rule.id, name=document.name,
            level=Level.NOTE, message=message, fix=fix, evidence=evidence,
        )  # fmt: skip

    def _safety(self, rule: Rule, declared: Safety) -> Safety:
        if rule.passing_evidence(_VERSION) is None:
            return Safety.SUGGEST
        if declared is Safety.OPT_IN and _selects(self._settings.opt_in, rule):
            return Safety.AUTO
        return declared


class _Writer:
    """Renders edits in order of place, and refuses those that would lose something."""

    def __init__(self, source: Source, nodes: Sequence[ast.AST]) -> None:
        self._source = source
        self._nodes = nodes
        self._written: list[_Hit] = []

    def places(self, hit: _Hit) -> tuple[int, int, int, int]:
        """Return line, column, end line and end column of the match, the end exclusive."""
        return (*self._source.place(hit.start), *self._source.place(hit.end))

    def write(self, hit: _Hit, template: str) -> str:
        """Return the text that replaces the match."""
        text = self._source.text
        if id(hit.node) in self._in_formatted_strings:
            raise _Refused("it stands inside an f-string")
        for other in self._written:
            if hit.start < other.end and other.start < hit.end:
                line = self._source.place(other.start)[0]
                raise _Refused(f"it overlaps the rewrite of {other.rule.id} in line {line}")
        if not _reads_as(text[hit.start : hit.end], hit.node):
            raise _Refused("its place in the text is uncertain")
        self._keep_comments(hit, template)
        new = SLOT.sub(lambda slot: self._part(hit.captures[slot[1]], slot[2]), template)
        if _expression(new) is None:
            raise _Refused("the rewritten text does not parse")
        if text[: hit.start][-1:].isidentifier() and re.match(r"[\w\"']", new):
            new = f" {new}"
        if re.search(r"\w\Z", new) and re.match(r"\w", text[hit.end : hit.end + 1]):
            new = f"{new} "
        self._written.append(hit)
        return new

    @cached_property
    def _in_formatted_strings(self) -> frozenset[int]:
        kinds = {"JoinedStr", "TemplateStr"}
        strings = [node for node in self._nodes if type(node).__name__ in kinds]
        return frozenset(id(part) for string in strings for part in ast.walk(string))

    def _part(self, node: ast.expr, part: str | None) -> str:
        start, end = self._source.span(node)
        text = self._source.text[start:end]
        if part == "inner":
            if not isinstance(node, ast.GeneratorExp) or text[:1] != "(" or text[-1:] != ")":
                raise _Refused("the generator has no brackets of its own")
            return text[1:-1]
        bare = isinstance(node, _ATOMS) and "\n" not in text and "\r" not in text
        return text if bare else f"({text})"

    def _keep_comments(self, hit: _Hit, template: str) -> None:
        if "#" not in self._source.text[hit.start : hit.end]:
            return
        if self._source.comments is None:
            raise _Refused("the comments in it cannot be told apart")
        kept = [self._source.span(hit.captures[name]) for name, _ in SLOT.findall(template)]
        for start, end in self._source.comments:
            inside = hit.start <= start < hit.end
            if inside and not any(first <= start and end <= last for first, last in kept):
                raise _Refused(f"it would lose the comment in line {self._source.place(start)[0]}")


def _digest(rules: Mapping[str, bytes], settings: OptimizeSettings) -> bytes:
    return sha256(msgspec.msgpack.encode((sorted(rules.items()), settings))).digest()


def _selects(selectors: tuple[str, ...], rule: Rule) -> bool:
    return any(selector and rule.id.startswith(selector) for selector in selectors)


def _expression(text: str) -> ast.expr | None:
    try:
        return Source(f"(\n{text}\n)").parse_expression()
    except SyntaxError:
        return None


def _reads_as(text: str, node: ast.expr) -> bool:
    expression = _expression(text)
    return expression is not None and same(expression, node)


def _silences(source: Source) -> Mapping[int, frozenset[str] | None]:
    """Map each line with an ignore comment to its codes; ``None`` means all."""
    silent: dict[int, frozenset[str] | None] = {}
    if "konivrer" not in source.text:
        return silent
    for start, end in source.comments or ():
        found = _SILENCE.search(source.text, start, end)
        if found:
            codes = found[1]
            line = source.place(start)[0]
            silent[line] = None if codes is None else frozenset(re.split(r"[\s,]+", codes.strip()))
    return silent


def _silenced(codes: frozenset[str] | None, code: str) -> bool:
    return codes is None or code in codes
