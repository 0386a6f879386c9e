"""What came of a heal, as text, JSON and lines for a log. Pure."""

from collections.abc import Iterator, Sequence

import msgspec

from konivrer_watch.core.heal import Heal, StepResult, Trouble
from konivrer_watch.report.json import encode
from konivrer_watch.report.text import count, escape, path_text


class UnmendedJson(msgspec.Struct, frozen=True):
    """What could not be mended, and why."""

    what: str
    why: str


class StepJson(msgspec.Struct, frozen=True):
    """One step: all that it found, what of it is mended and how, and what is not."""

    name: str
    found: Sequence[str]
    mended: Sequence[str]
    unmended: Sequence[UnmendedJson]
    seconds: float


class HealJson(msgspec.Struct, frozen=True, kw_only=True):
    """A heal of one root, which began ``at`` (UTC)."""

    schema: int = 1
    root: str
    at: str
    found: int
    mended: int
    steps: Sequence[StepJson]


def heal_json(root: bytes, heal: Heal) -> bytes:
    """The heal in schema 1, without a line end behind."""
    return encode(
        HealJson(
            root=path_text(root),
            at=heal.at,
            found=heal.found,
            mended=heal.mended,
            steps=[_step_json(step) for step in heal.steps],
        )
    )


def heal_text(heal: HealJson) -> str:
    """The heal as a person reads it: how it went as a whole, a line for each step, and below it what it found."""
    lines = [f"{escape(heal.root)}: {_sum(heal.found, heal.mended)}"]
    for step in heal.steps:
        lines += _step_lines(step)
    return "\n".join(lines)


def log_lines(heal: Heal) -> Iterator[tuple[bool, str]]:
    """Lines for the log, each with whether something is still wrong."""
    if not heal.found:
        yield False, f"heal: nothing to mend, {heal.seconds:.1f} s"
    for name, trouble in heal.troubles:
        yield trouble.why is not None, f"{name}: {_trouble(trouble)}"


def _step_json(step: StepResult) -> StepJson:
    troubles = step.report.troubles
    return StepJson(
        name=step.name,
        found=[trouble.what for trouble in troubles],
        mended=[_trouble(trouble) for trouble in troubles if trouble.why is None],
        unmended=[UnmendedJson(trouble.what, trouble.why) for trouble in troubles if trouble.why is not None],
        seconds=round(step.seconds, 3),
    )


def _step_lines(step: StepJson) -> Iterator[str]:
    said = "well" if not step.found else _sum(len(step.found), len(step.mended))
    yield f"  {step.name:<11}{said}, {step.seconds:.1f} s"
    yield from [f"    mended: {escape(each)}" for each in step.mended]
    yield from [f"    NOT MENDED: {escape(each.what)}: {escape(each.why)}" for each in step.unmended]


def _trouble(trouble: Trouble) -> str:
    if trouble.why is not None:
        return f"{trouble.what}; not mended: {trouble.why}"
    return f"{trouble.what}; {trouble.mended or 'mended'}"


def _sum(found: int, mended: int) -> str:
    if not found:
        return "nothing to mend"
    left = "" if mended == found else f", {found - mended:,} NOT"
    return f"{count(found, 'thing')} found, {mended:,} mended{left}"
