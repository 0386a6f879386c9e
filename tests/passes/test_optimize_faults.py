"""A bad rule file is refused with file, key and reason."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konivrer_watch.passes.optimize.engine import OptimizeEngine, OptimizeSettings
from konivrer_watch.passes.optimize.rule import load_rule
from tests.passes.test_optimize_edits import RULES

TEXT = RULES["OPT102-tuple-genexp.toml"].decode()
WHERE = 'where = ["sync_gen G", "no_effects G", "no_frame_calls G", "no_next G", "builtin tuple"]'
TEMPLATE = "template = 'tuple([${G.inner}])'"
PATTERN = "pattern = 'tuple($G)'"
KNOWN = "known are absent, builtin, calls, const, gets_item, in_loop, kind, makes, "
NO_PLACE = "match.pattern: a metavariable stands where no expression can"
NO_TYPE = "match.where[0]: 'const G' needs one type of bool, bytes, complex, float, int, str"

REFUSED = [
    ('id = "OPT102"', 'id = "OPT2"', "id: Expected `str` matching regex '^[A-Z]{2,8}[0-9]{3}$'"),
    ('id = "OPT102"\n', "", "Object missing required field `id`"),
    ("schema = 1", "schema = 2", "schema: Invalid enum value 2"),
    ("schema = 1", "schema = 1\nspeed = 3", "Object contains unknown field `speed`"),
    ('name = "tuple-genexp"', 'name = "Tuple"', "name: Expected `str` matching regex '^[a-z0-9]+("),
    ('class = "constant"', 'class = "fast"', "class: Invalid enum value 'fast'"),
    ('python = ">=3.11"', 'python = "3.11"', r"python: Expected `str` matching regex '^>=\\d+\\.\\d+$'"),
    ('title = "', 'title = ""  # ', "title: Expected `str` of length >= 1"),
    ('safety = "auto"', 'safety = "always"', "rewrite.safety: Invalid enum value 'always'"),
    (PATTERN, "", "match: Object missing required field `pattern`"),
    (PATTERN, "pattern = 'tuple($G'", "match.pattern: not Python code: '(' was never closed"),
    (PATTERN, "pattern = '$G'", "match.pattern: a lone metavariable would match everything"),
    (PATTERN, "pattern = 'tuple($G, k=\"$H\")'", NO_PLACE),
    (PATTERN, "pattern = '$S.$G()'", NO_PLACE),
    (PATTERN, f"pattern = 'tuple($G{' + b' * 60})'", "match.pattern: Expected `str` of length <= 200"),
    (WHERE, 'where = ["swift G"]', f"match.where[0]: unknown predicate 'swift'; {KNOWN}"),
    (WHERE, 'where = [" "]', f"match.where[0]: unknown predicate ''; {KNOWN}"),
    (WHERE, 'where = ["sync_gen G", "no_next"]', "match.where[1]: 'no_next' names no metavariable"),
    (WHERE, 'where = ["sync_gen H"]', "match.where[0]: 'sync_gen H' names no metavariable"),
    (WHERE, 'where = ["sync_gen G G"]', "match.where[0]: 'sync_gen G G' has words after the metavariable"),
    (WHERE, 'where = ["const G text"]', NO_TYPE),
    (WHERE, 'where = ["const G"]', NO_TYPE),
    (WHERE, 'where = ["builtin"]', "match.where[0]: 'builtin' needs a name"),
    (WHERE, 'where = ["builtin tupel"]', "match.where[0]: 'tupel' is not a builtin"),
    (TEMPLATE, "template = 'tuple([${H}])'", "rewrite.template: unknown metavariable 'H'"),
    (TEMPLATE, "template = 'tuple([${G.outer}])'", "rewrite.template: unknown part 'outer' of G"),
    (TEMPLATE, f"template = 'tuple({'-' * 200}1)'", "rewrite.template: Expected `str` of length <= 200"),
    (TEMPLATE, "template = 'tuple($G)'", "rewrite.template: a '$' outside '${NAME}'"),
    (TEMPLATE, "template = 'tuple([${G.inner})'", "rewrite.template: not Python code: "),
    ("[[examples.match]]", "[[examples.mach]]", "examples: Object contains unknown field `mach`"),
    ("because = ", "reason = ", "examples.skip[0]: Object contains unknown field `reason`"),
    ("max_examples = 1500", "max_examples = 0", "equivalence.max_examples: Expected `int` >= 1"),
    ("worst = 0.97", "worst = 0", "benchmark.gate.worst: Expected `float` > 0.0"),
    ("[[benchmark.workload]]", "[[benchmark.work]]", "benchmark: Object contains unknown field `work`"),
    ("schema = 1", "schema 1", "Expected '=' after a key in a key/value pair (at line 1, column 8)"),
    ("schema = 1", "schema = " + "[" * 5000, "nested too deeply"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told"), REFUSED)
def test_each_kind_of_fault_is_named_with_file_key_and_reason(old: str, new: str, told: str) -> None:
    assert old in TEXT
    with pytest.raises(ValueError) as raised:
        load_rule("pack/r.toml", TEXT.replace(old, new).encode())
    assert str(raised.value).startswith(f"pack/r.toml: {told}")


def test_bytes_that_are_not_utf8_are_a_fault_of_the_file() -> None:
    with pytest.raises(ValueError, match=r"^pack/r\.toml: 'utf-8' codec can't decode byte 0xff"):
        load_rule("pack/r.toml", b"\xff")


def test_an_id_may_be_used_once() -> None:
    with pytest.raises(ValueError, match=r"^b\.toml: id: OPT102 is already the id of a\.toml$"):
        OptimizeEngine({"b.toml": TEXT.encode(), "a.toml": TEXT.encode()}, OptimizeSettings())


@pytest.mark.parametrize(
    ("settings_", "told"),
    [
        (OptimizeSettings(select=("OPT1", "OPT9")), "optimize.select: 'OPT9' selects no rule"),
        (OptimizeSettings(ignore=("opt101",)), "optimize.ignore: 'opt101' selects no rule"),
        (OptimizeSettings(opt_in=("",)), "optimize.opt_in: '' selects no rule"),
    ],
)
def test_a_selector_that_selects_nothing_is_a_fault_of_its_key(
    settings_: OptimizeSettings, told: str
) -> None:
    with pytest.raises(ValueError) as raised:
        OptimizeEngine(RULES, settings_)
    assert str(raised.value) == told


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(TEXT)), st.integers(0, 40), st.text(max_size=12))
def test_a_damaged_rule_file_is_a_rule_or_a_value_error_that_begins_with_its_name(
    start: int, length: int, put: str
) -> None:
    damaged = TEXT[:start] + put + TEXT[start + length :]
    try:
        rule = load_rule("pack/r.toml", damaged.encode())
    except ValueError as error:
        assert str(error).startswith("pack/r.toml: ")
    else:
        assert rule.id.startswith("OPT")
