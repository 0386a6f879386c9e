"""The fixed vocabulary of ``where``: what a rule may ask of a match. Nothing here runs a rule's code.

==================  =============================================================================
**of a captured part M, which may be a rest unless it says otherwise**
``absent M N``      no name in M occurs in N
``calls M n...``    M calls a function or method of one of these names
``const M t``       M is a literal whose type is named t (``str``, ``bytes``, ``int``, ...)
``gets_item M``     M is ``lambda x: x[constant]``
``kind M T...``     M is a node of one of these ``ast`` types
``makes M t``       M plainly makes a ``str`` or ``bytes``: a literal, or what is built on one
``name M``          M is a name
``no_async M``      M has no ``await`` and no asynchronous comprehension in it
``no_effects M``    M has no ``await``, ``yield``, ``yield from`` or walrus in it
``no_frame_calls M``  M names nothing that looks at the running frame (``locals``, ``super``, ...)
``no_late M``       M holds no lambda and no generator expression, which would read names later
``no_next M``       M names nothing that obviously raises StopIteration (``next``, ``send``, ...)
``one_char M``      M is a string literal of one character
``only_indexes M N``  the name M is only used to read items of N, which is not bound in the match
``pairs M``         M is a comprehension whose element is a display of two
``plain_regex M``   M is a string literal without characters that mean something in a regular expression
``private M``       the names in M are locals of the function that no inner scope sees
``proven M t``      the name M is a local whose every binding makes exactly a t (see ``proof``)
``simple M``        M is a name or a constant; a rest is keywords of names, constants and lambdas
``sync_gen M``      M is a generator expression with nothing asynchronous in it
``targets M``       M is a name, or a display of names
``unread M``        nothing in the function (or file) reads the names in M
``unused_outside M``  nothing in the function (or file) but the match reads the names in M
**of the match's place**
``builtin n...``    the file neither binds these names anywhere nor imports ``*``
``in_loop``         it runs once for each turn of a loop or comprehension of its function
``membership``      it is the last operand of a comparison, after ``in`` or ``not in``
``no_handlers``     it is in a function, and no ``try`` or ``with`` is around it there
==================  =============================================================================
"""

import ast
import builtins
from collections.abc import Callable

from konivrer_watch.passes.optimize.places import NAMES, PLACES, TWO, Found
from konivrer_watch.passes.optimize.proof import PROVABLE, is_proven
from konivrer_watch.passes.optimize.shapes import SHAPES, calls, is_literal, makes

Check = Callable[[Found], bool]

_LITERAL_TYPES = frozenset({"str", "bytes", "int", "float", "complex", "bool"})
_MADE_TYPES = frozenset({"str", "bytes"})


def compile_predicate(text: str, metavariables: frozenset[str]) -> Check:
    """Compile one line of ``where``; ``ValueError`` says what is wrong with it."""
    name, *words = text.split() or [""]
    if name not in KNOWN:
        raise ValueError(f"unknown predicate {name!r}; known are {', '.join(KNOWN)}")
    if name == "builtin":
        return _compile_builtin(words)
    if name in PLACES:
        if words:
            raise ValueError(f"{text!r} has words after the predicate")
        return PLACES[name]
    if not words or words[0] not in metavariables:
        raise ValueError(f"{text!r} names no metavariable of the pattern")
    metavariable, *rest = words
    if name in _WORDED:
        return _WORDED[name](metavariable, rest)
    if name in TWO:
        return _compile_two(text, name, words, metavariables)
    if rest:
        raise ValueError(f"{text!r} has words after the metavariable")
    if name in SHAPES:
        shape = SHAPES[name]
        return lambda found: shape(found.captures[metavariable])
    names = NAMES[name]
    return lambda found: names(found, found.captures[metavariable])


def _compile_two(text: str, name: str, words: list[str], metavariables: frozenset[str]) -> Check:
    if len(words) != 2 or words[1] not in metavariables:
        raise ValueError(f"{text!r} needs two metavariables of the pattern")
    one, other = words
    holds = TWO[name]
    return lambda found: holds(found, found.captures[one], found.captures[other])


def _compile_const(metavariable: str, words: list[str]) -> Check:
    kind = _one_of("const", metavariable, words, _LITERAL_TYPES)
    return lambda found: is_literal(found.captures[metavariable], kind)


def _compile_makes(metavariable: str, words: list[str]) -> Check:
    kind = _one_of("makes", metavariable, words, _MADE_TYPES)
    return lambda found: makes(found.captures[metavariable], kind)


def _compile_proven(metavariable: str, words: list[str]) -> Check:
    kind = _one_of("proven", metavariable, words, PROVABLE)

    def holds(found: Found) -> bool:
        node = found.captures[metavariable]
        return isinstance(node, ast.Name) and is_proven(found.file, found.trail, node.id, kind)

    return holds


def _one_of(name: str, metavariable: str, words: list[str], known: frozenset[str]) -> str:
    if len(words) != 1 or words[0] not in known:
        raise ValueError(f"'{name} {metavariable}' needs one type of {', '.join(sorted(known))}")
    return words[0]


def _compile_kind(metavariable: str, words: list[str]) -> Check:
    for word in words:
        kind = getattr(ast, word, None)
        if not isinstance(kind, type) or not issubclass(kind, ast.AST):
            raise ValueError(f"{word!r} is no type of ast")
    if not words:
        raise ValueError(f"'kind {metavariable}' needs a type of ast")
    wanted = frozenset(words)
    return lambda found: type(found.captures[metavariable]).__name__ in wanted


def _compile_calls(metavariable: str, words: list[str]) -> Check:
    if not words:
        raise ValueError(f"'calls {metavariable}' needs a name")
    names = frozenset(words)
    return lambda found: calls(found.captures[metavariable], names)


def _compile_builtin(words: list[str]) -> Check:
    if not words:
        raise ValueError("'builtin' needs a name")
    for word in words:
        if not hasattr(builtins, word):
            raise ValueError(f"{word!r} is not a builtin")
    return lambda found: all(found.file.leaves_builtin(word) for word in words)


_WORDED: dict[str, Callable[[str, list[str]], Check]] = {
    "calls": _compile_calls,
    "const": _compile_const,
    "kind": _compile_kind,
    "makes": _compile_makes,
    "proven": _compile_proven,
}
KNOWN = tuple(sorted(["builtin", *_WORDED, *SHAPES, *PLACES, *NAMES, *TWO]))
