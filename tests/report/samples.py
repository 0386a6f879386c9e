"""Findings and reports to render, made by hand or by hypothesis."""

from hypothesis import strategies as st

from konivrer_watch.core.model import Edit, Finding, Fix, Level, Pass, Problem, ProblemKind, Safety, Skip
from konivrer_watch.report.verdicts import FileCounts, Report, Timing

UNUSED = Finding(
    line=1,
    column=8,
    end_line=1,
    end_column=10,
    pass_=Pass.LINT,
    code="F401",
    name="unused-import",
    level=Level.WARNING,
    message="`os` imported but unused",
    url="https://docs.astral.sh/ruff/rules/unused-import",
    fix=Fix(Safety.AUTO, "Remove unused import: `os`", (Edit(1, 1, 2, 1, ""),)),
)
SHELL = Finding(
    line=3,
    column=1,
    end_line=3,
    end_column=30,
    pass_=Pass.SECURITY,
    code="B602",
    name="subprocess_popen_with_shell_equals_true",
    level=Level.ERROR,
    message="subprocess call with shell=True identified, security issue.",
    severity="HIGH",
    confidence="MEDIUM",
)
JOIN = Finding(
    line=2,
    column=5,
    end_line=2,
    end_column=30,
    pass_=Pass.OPTIMIZE,
    code="OPT101",
    name="join-genexp",
    level=Level.NOTE,
    message="a list is faster here",
    fix=Fix(Safety.SUGGEST, "Use a list", ()),
    evidence="0.8",
)
IN_CELL = Finding(
    line=1,
    column=1,
    end_line=1,
    end_column=2,
    pass_=Pass.LINT,
    code="E402",
    name="",
    level=Level.WARNING,
    message="late",
    cell=2,
)
BROKEN = Problem(ProblemKind.UNPARSABLE, "cannot be parsed: line 3", "add it to exclude")
LOST = Problem(ProblemKind.ENGINE, "bandit did not answer", "run again")

messages = st.text(st.characters(exclude_categories=[]), max_size=12) | st.just("plain")
findings = st.builds(
    Finding,
    line=st.integers(1, 9),
    column=st.integers(1, 9),
    end_line=st.integers(1, 9),
    end_column=st.integers(1, 9),
    pass_=st.sampled_from(Pass),
    code=st.sampled_from(["F401", "B602", "OPT101"]) | messages,
    name=messages,
    level=st.sampled_from(Level),
    message=messages,
    fix=st.none() | st.builds(Fix, st.sampled_from(Safety), messages, st.just(())),
    cell=st.none() | st.integers(1, 3),
)
paths = st.binary(min_size=1, max_size=6) | st.sampled_from([b"a.py", b"b/c.py", b"\xff.py", b"a\nb.py"])
problems = st.builds(Problem, st.sampled_from(ProblemKind), messages, messages)
reports = st.builds(
    Report,
    root=messages,
    complete=st.booleans(),
    as_of=st.just("2026-01-01T00:00:00Z"),
    files=st.builds(FileCounts, *[st.integers(0, 9)] * 4),
    findings=st.lists(
        st.tuples(paths, findings), max_size=6, unique_by=lambda pair: (pair[0], pair[1].order)
    ).map(tuple),
    suppressed=st.dictionaries(st.sampled_from(Pass), st.integers(0, 9)),
    skipped=st.lists(st.builds(Skip, paths, messages, st.booleans()), max_size=3, unique=True).map(tuple),
    problems=st.lists(
        st.tuples(paths | st.just(b""), st.none() | st.sampled_from(Pass), problems), max_size=3, unique=True
    ).map(tuple),
    timing_ms=st.just(Timing(total=41)),
)

SAMPLE = Report(
    root="/r",
    complete=False,
    as_of="2026-01-01T00:00:00Z",
    files=FileCounts(checked=12, cached=1100, skipped=2),
    findings=((b"pkg/b.py", JOIN), (b"pkg/a.py", SHELL), (b"pkg/a.py", UNUSED), (b"n.ipynb", IN_CELL)),
    suppressed={Pass.LINT: 2, Pass.SECURITY: 1},
    skipped=(Skip(b"link.py", "symbolic link out of the root", True), Skip(b"big.py", "larger than 1024 kB")),
    problems=((b"bad.py", Pass.SECURITY, BROKEN),),
    timing_ms=Timing(total=1234, scan=9),
)
