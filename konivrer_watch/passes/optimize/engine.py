"""The optimize engine: rules and bytes in, a verdict out. Nothing is executed and nothing is read."""

import ast
import sys
from collections.abc import Mapping
from hashlib import sha256

import msgspec

from konivrer_watch.core.model import Edit, Finding, Fix, Level, Pass, Problem, ProblemKind, Safety, Verdict
from konivrer_watch.passes.optimize.finder import Finder
from konivrer_watch.passes.optimize.rule import Pack, Rule, load_pack
from konivrer_watch.passes.optimize.scope import File
from konivrer_watch.passes.optimize.silence import Silences
from konivrer_watch.passes.optimize.source import Source
from konivrer_watch.passes.optimize.writer import Hit, RefusedError, Writer

_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


class OptimizeSettings(msgspec.Struct, frozen=True):
    """Which rules speak, by id or its beginning. ``opt_in`` lets opt-in rules be applied automatically.

    An empty ``select`` selects every rule; ``ignore`` wins over it. ``targets`` are the x.y that the code is for,
    the running one where there is none; ``ruff`` the codes of the user's own selection.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    opt_in: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    ruff: tuple[str, ...] = ()


class OptimizeEngine:
    """Judges one file at a time by a fixed set of rules; it keeps nothing between files."""

    def __init__(self, files: Mapping[str, bytes], settings: OptimizeSettings) -> None:
        """Compile a pack, from file name to content; ``ValueError`` names file, key and reason of a bad one.

        A selector in ``settings`` that selects no rule is a ``ValueError`` too, naming its key.
        """
        self._pack = load_pack(files)
        self._settings = settings
        for key, selectors in _selectors(settings).items():
            for selector in selectors:
                if not any(_selects((selector,), rule) for rule in self._pack.rules):
                    raise ValueError(f"optimize.{key}: {selector!r} selects no rule")
        targets = settings.targets or (_PYTHON,)
        self._digest = digest_of(files, settings)
        self._evidence = {
            rule.id: self._pack.evidence.line(rule.document, sys.implementation.name, targets)
            for rule in self._pack.rules
        }
        self._finder = Finder([rule for rule in self._pack.rules if self._speaks(rule, targets)])

    @property
    def digest(self) -> bytes:
        """SHA-256 over the pack and the settings: equal digests on one Python mean equal verdicts."""
        return self._digest

    @property
    def settings(self) -> OptimizeSettings:
        """What the user chose."""
        return self._settings

    @property
    def pack(self) -> Pack:
        """Everything that was loaded."""
        return self._pack

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every loaded rule in the order of ids, the ones that the settings leave out included."""
        return self._pack.rules

    def evidence_of(self, rule: Rule) -> str | None:
        """Return one line of passing evidence for every target; ``None`` demotes the rule to a suggestion."""
        return self._evidence[rule.id]

    def safety_of(self, rule: Rule) -> Safety:
        """Return who may apply the rule's rewrite, evidence and settings considered."""
        if self._evidence[rule.id] is None:
            return Safety.SUGGEST
        if rule.declared is Safety.OPT_IN and _selects(self._settings.opt_in, rule):
            return Safety.AUTO
        return rule.declared

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
        try:
            hits = list(self._finder.find(File(source, parsed)))
            return self._verdict(source, hits) if hits else Verdict()
        except RecursionError:
            return _unparsable("nested too deeply")

    def _verdict(self, source: Source, hits: list[Hit]) -> Verdict:
        silences = Silences(source)
        heard = [hit for hit in hits if not silences.cover(hit.start, hit.end, hit.rule.id)]
        # Of two edits that overlap, the one that may be applied by itself is offered, then the outer one.
        heard.sort(key=lambda hit: (self._rank(hit.rule), hit.start, -hit.end, hit.rule.id))
        writer = Writer(source)
        findings = [self._finding(hit, source, writer) for hit in heard]
        return Verdict(tuple(sorted(findings, key=lambda found: found.order)), len(hits) - len(heard))

    def _finding(self, hit: Hit, source: Source, writer: Writer) -> Finding:
        rule, document = hit.rule, hit.rule.document
        message = f"{document.title} ({document.why})"
        place = (*source.place(hit.start), *source.place(hit.end))
        fix: Fix | None = None
        if rule.template is not None and document.rewrite is not None:
            try:
                edit = Edit(*place, writer.write(hit, rule.template))
                told = f"{document.title}. {document.rewrite.divergence}".removesuffix(". ")
                fix = Fix(self.safety_of(rule), told, (edit,))
            except RefusedError as refusal:
                message = f"{message}; not rewritten: {refusal}"
        elif document.blocked:
            message = f"{message}; left to you: {document.blocked}"
        if fighting := [code for code in document.conflicts if code in self._settings.ruff]:
            message = f"{message}; ruff's {', '.join(fighting)}, which you select, says the opposite"
        return Finding(
            *place, pass_=Pass.OPTIMIZE, code=rule.id, name=document.name,
            level=Level.NOTE, message=message, fix=fix, evidence=self._evidence[rule.id],
        )  # fmt: skip

    def _rank(self, rule: Rule) -> int:
        return tuple(Safety).index(self.safety_of(rule))

    def _speaks(self, rule: Rule, targets: tuple[str, ...]) -> bool:
        chosen = not self._settings.select or _selects(self._settings.select, rule)
        versions = [tuple(map(int, target.split("."))) for target in targets]
        return (
            chosen
            and not _selects(self._settings.ignore, rule)
            and all(rule.runs_on((version[0], version[1])) for version in versions)
        )


def _unparsable(reason: str) -> Verdict:
    hint = f"the optimize pass reads the grammar of Python {_PYTHON}; correct the file or exclude it"
    return Verdict(problem=Problem(ProblemKind.UNPARSABLE, f"cannot be parsed: {reason}", hint))


def _selectors(settings: OptimizeSettings) -> Mapping[str, tuple[str, ...]]:
    return {"select": settings.select, "ignore": settings.ignore, "opt_in": settings.opt_in}


def _selects(selectors: tuple[str, ...], rule: Rule) -> bool:
    return any(selector and rule.id.startswith(selector) for selector in selectors)


def digest_of(files: Mapping[str, bytes], settings: OptimizeSettings) -> bytes:
    """Return an engine's digest without compiling its rules, which takes longer than a warm check should."""
    said = {key: sorted(set(values)) for key, values in msgspec.structs.asdict(settings).items()}
    return sha256(msgspec.msgpack.encode((sorted(files.values()), said))).digest()
