"""ruff, the lint engine: found, asked which files count, and asked for verdicts. It never fixes anything.

A file that kills or hangs ruff costs its own verdict only: the run is halved until that file is alone.
"""

import json
import os
import posixpath
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import anyio

from konivrer_watch.core.errors import EngineDiedError, EngineMissingError
from konivrer_watch.core.model import Problem, ProblemKind, Verdict
from konivrer_watch.system.programs import AGAIN, find_program
from konivrer_watch.system.ruff_batch import (
    Answer,
    LintJob,
    Report,
    attribute,
    batches,
    company,
    silenced,
    uncounted,
)
from konivrer_watch.system.ruff_process import Ended, complaint, ending, printed, run

__all__ = ["LintJob", "Members", "Ruff", "find_ruff"]

_REPORT_LIMIT = 64 << 20
_FAULTY_FOLDERS = 20
_DEFAULT_INCLUDE = (b".py", b".pyi", b".ipynb", b"/pyproject.toml")
_LINT = ("check", "--no-cache", "--no-fix", "--no-fix-only", "--output-format", "json")


class Members:
    """The files that ``ruff check`` would judge under a root, as a test on relative paths.

    ``problem`` is ruff's complaint about the configuration of ``faulty`` folders (empty: of the whole
    tree); there, ruff's default ``include`` decides.
    """

    def __init__(self, listed: frozenset[bytes], faulty: tuple[bytes, ...] = (), problem: str | None = None):
        self.faulty = faulty
        self.problem = problem
        self._listed = listed

    def __contains__(self, path: bytes) -> bool:
        """Tell whether a path counts; names alike but for their invalid UTF-8 are not told apart."""
        if any(folder == b"" or path.startswith(folder + b"/") for folder in self.faulty):
            return (b"/" + path).endswith(_DEFAULT_INCLUDE)
        return printed(path) in self._listed

    def __len__(self) -> int:
        return len(self._listed)


def find_ruff(search_path: str | None) -> Path:
    """Return ruff's program: beside this Python first, then in the absolute folders of the given PATH.

    :raises EngineMissingError: it is in neither place.
    """
    beside = Path(sys.executable).parent / "ruff"
    found = str(beside) if os.access(beside, os.X_OK) else find_program("ruff", search_path or "")
    if found is None:
        raise EngineMissingError(
            f"ruff is neither in {beside.parent} nor on PATH: "
            f"install it with '{sys.executable} -m pip install ruff'"
        )
    return Path(found)


class Ruff:
    """Runs ruff. ``pack`` is our configuration file, for files where the user has none."""

    def __init__(
        self,
        binary: Path,
        read_report: Callable[[bytes], Report],
        *,
        pack: Path,
        environment: Mapping[str, str],
        threads: int = 1,
        deadline: float = 60.0,
    ) -> None:
        """``read_report`` reads the JSON output; ``threads`` and ``deadline`` (seconds) hold for each run."""
        self._binary = binary
        self._read_report = read_report
        self._pack = pack
        self._deadline = deadline
        self._environment = {
            name: value
            for name, value in environment.items()
            if not name.startswith(("RUFF_", "RAYON_", "RUST_", "CLICOLOR", "FORCE_COLOR"))
        } | {"NO_COLOR": "1", "RAYON_NUM_THREADS": str(threads)}

    async def version(self) -> str:
        """Return ruff's version, such as ``0.17.6``.

        :raises EngineDiedError: ruff does not say.
        """
        ended = await self._run(b"/", ["--version"])
        found = re.match(rb"ruff (\S+)", ended.out)
        if found is None:
            raise EngineDiedError(f"{self._binary} does not tell its version: {ending(ended)}")
        return found[1].decode()

    async def show_files(self, root: bytes) -> Members:
        """List what ``ruff check`` judges under ``root``. A broken configuration spoils its own folder only.

        :raises EngineDiedError: ruff ended without an answer.
        """
        faulty: list[bytes] = []
        problem: str | None = None
        while True:
            patterns = json.dumps([re.sub(r"([*?\[\]{}])", r"[\1]", folder.decode()) for folder in faulty])
            skip = ["--config", f"extend-exclude={patterns}"] if faulty else []
            ended = await self._run(root, ["check", "--no-cache", "--show-files", *skip, "."])
            if ended.code == 0 and ended.cut is None:
                prefix = printed(root.rstrip(b"/") + b"/")
                listed = (b"\n" + ended.out).split(b"\n" + prefix)[1:]
                return Members(frozenset(name.rstrip(b"\n") for name in listed), tuple(faulty), problem)
            if ended.code != 2:
                raise EngineDiedError(
                    f"ruff could not list the files of {os.fsdecode(root)}: {ending(ended)}"
                )
            problem = problem or complaint(ended)
            folder = _faulty_folder(ended, root)
            if folder is None or folder in faulty or len(faulty) >= _FAULTY_FOLDERS:
                return Members(frozenset(), (b"",), problem)
            faulty.append(folder)

    async def check(self, root: bytes, jobs: Sequence[LintJob]) -> dict[bytes, Verdict]:
        """Return a verdict for each job. Files are read from disk, by the configuration they have there.

        :raises EngineMissingError: ruff cannot be started.
        """
        answers: dict[bytes, Answer] = {}
        unsilenced: dict[bytes, Answer] = {}
        missing: list[EngineMissingError] = []

        async def answer(
            some: Sequence[LintJob], options: tuple[str, ...], into: dict[bytes, Answer]
        ) -> None:
            try:
                await self._answer(root, some, options, into)
            except EngineMissingError as error:
                missing.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(answer, jobs, (), answers)
            noisy = [job for job in jobs if job.has_noqa]
            group.start_soon(answer, noisy, ("--ignore-noqa",), unsilenced)
        if missing:
            raise missing[0]
        return {
            path: Verdict(
                answer.findings,
                silenced(answer, unsilenced.get(path)),
                answer.problem or uncounted(unsilenced.get(path)),
            )
            for path, answer in answers.items()
        }

    async def _answer(
        self, root: bytes, jobs: Sequence[LintJob], options: tuple[str, ...], answers: dict[bytes, Answer]
    ) -> None:
        waiting = list(batches(jobs))
        suspects: dict[bytes, bool] = {}
        while waiting:
            batch = waiting.pop()
            ended = await self._run(root, self._arguments(root, batch, options))
            report = self._report(ended)
            if report is not None:
                answers.update(attribute(root, batch, report, ended.err.decode(errors="replace")))
            elif ended.code == 2 and ended.cut is None:
                profiles: dict[bytes, list[LintJob]] = {}
                for job in batch:
                    profiles.setdefault(job.profile.digest, []).append(job)
                if len(profiles) > 1:
                    waiting += profiles.values()
                    continue
                hint = "correct it; until then ruff judges no file that it configures"
                problem = Problem(ProblemKind.CONFIGURATION, complaint(ended), hint)
                answers.update({job.path: Answer(problem=problem) for job in batch})
            elif len(batch) > 1:
                waiting += [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
            elif ended.cut is None and batch[0].path not in suspects:
                # Anything may have ended that run; a file that ends a second one is to blame itself.
                suspects[batch[0].path] = ended.hindered
                waiting.append(batch)
            else:
                path = batch[0].path
                answers[path] = Answer(
                    problem=_unanswered(ended, ended.hindered or suspects.get(path, False))
                )

    def _arguments(
        self, root: bytes, batch: Sequence[LintJob], options: tuple[str, ...]
    ) -> list[str | bytes]:
        profile = batch[0].profile
        arguments: list[str | bytes] = [*_LINT, *options]
        if profile.own:
            arguments += ["--config", str(self._pack)]
        if profile.target_version is not None:
            arguments += ["--target-version", profile.target_version]
        if profile.forced:
            # For lint.exclude's sake; ``exclude`` was settled when files were listed, and forced it would
            # match the names of the folders above too.
            arguments += ["--force-exclude", "--config", "exclude=[]"]
        paths = dict.fromkeys(job.path for job in batch)
        paths |= dict.fromkeys(filter(None, [company(root, job) for job in batch]))
        return [*arguments, "--", *paths]

    def _report(self, ended: Ended) -> Report | None:
        if ended.code not in {0, 1} or ended.cut is not None:
            return None
        try:
            return self._read_report(ended.out)
        except ValueError:
            return None

    async def _run(self, root: bytes, arguments: Sequence[str | bytes]) -> Ended:
        command = [os.fspath(self._binary), *arguments]
        return await run(command, root, self._environment, self._deadline, _REPORT_LIMIT)


def _unanswered(ended: Ended, hindered: bool) -> Problem:
    if hindered:
        return Problem(ProblemKind.ENGINE, f"ruff {ending(ended)}", AGAIN)
    hint = "the file is set aside until it changes; 'exclude' leaves it out for good"
    return Problem(ProblemKind.QUARANTINED, f"ruff {ending(ended)}", hint)


def _faulty_folder(ended: Ended, root: bytes) -> bytes | None:
    """Return the folder below the root whose settings file ruff complains of, if it names one."""
    prefix = root.rstrip(b"/") + b"/"
    for path in re.findall(rb"[`\s](/[^`\n]*?/\.?(?:ruff|pyproject)\.toml)(?=[`\s:]|$)", ended.err):
        folder: bytes = posixpath.dirname(path)
        if folder.startswith(prefix):
            return folder[len(prefix) :]
    return None
