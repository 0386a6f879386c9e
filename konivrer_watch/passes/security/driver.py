"""bandit, warm: one engine judges any number of files from their bytes, as ``bandit`` would each of them.

The only module of the pass that costs bandit's import (about 250 ms).
"""

import ast
import gc
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from types import FunctionType
from typing import Any

import msgspec
import yaml
from bandit.core.config import BanditConfig
from bandit.core.docs_utils import get_url
from bandit.core.extension_loader import MANAGER
from bandit.core.node_visitor import BanditNodeVisitor
from bandit.core.test_set import BanditTestSet
from bandit.core.utils import ConfigError
from bandit.plugins.trojansource import BIDI_CHARACTERS, trojansource

from konivrer_watch.core.model import Problem, ProblemKind, Verdict
from konivrer_watch.passes.security.profile import SecurityProfile
from konivrer_watch.passes.security.record import Record
from konivrer_watch.passes.security.source import Source
from konivrer_watch.passes.security.walk import FAULTS, Test, Tests, TooDeepError, Walk

_SYNTAX_HINT = "Correct it; bandit finds nothing in a file that it cannot parse."
_DEPTH_HINT = "Nest less deeply, or add the file to exclude."
_FAILURE_HINT = "Exclude the file, and report this with the file to bandit."
_CONFIG_HINT = "Correct the bandit configuration of this repository."


class SecurityEngine:
    """Judges files under one configuration. Engines with different configurations do not disturb each other.

    bandit's own log and the parser's warnings are silenced: what they would say is in the verdicts.
    """

    def __init__(self, profile: SecurityProfile) -> None:
        logging.getLogger("bandit").setLevel(logging.CRITICAL + 1)
        self._ignore_nosec = profile.ignore_nosec
        self._refused: Problem | None = None
        self._testset: Any = None
        self._tests: Tests | None = None
        self._urls: dict[str, str] = {}
        try:
            self._testset = _test_set(profile)
        except (ConfigError, *FAULTS) as error:
            self._refused = Problem(
                ProblemKind.CONFIGURATION, f"bandit refuses its configuration: {error}", _CONFIG_HINT
            )
            return
        by_check: Mapping[str, list[Test]] = self._testset.tests
        if all(_is_bandits_own(test) for tests in by_check.values() for test in tests):
            self._tests = Tests(by_check)

    def judge(self, path: bytes, data: bytes, tree: ast.Module | None = None) -> Verdict:
        """Return what bandit says of a file of these bytes at this path below the root. Never raises.

        ``tree`` may be given where ``ast.parse(data)`` was already done, and may be shared: it is left with
        ``_bandit_…`` attributes and else as it was. A problem says what bandit could not do; where only a
        single test of bandit's failed, what the others found is beside it.
        """
        if self._refused is not None:
            return Verdict(problem=self._refused)
        try:
            with warnings.catch_warnings(), _no_collection():
                warnings.simplefilter("ignore")
                return self._judge("./" + path.decode("utf-8", "surrogateescape"), data, tree)
        except SyntaxError as error:
            where = f" in line {error.lineno}" if error.lineno else ""
            return _unparsable(f"cannot be parsed: {error.msg}{where}")
        except RecursionError as error:
            message = f"nests too deeply for bandit: {error or type(error).__name__}"
            return Verdict(problem=Problem(ProblemKind.QUARANTINED, message, _DEPTH_HINT))
        except (KeyError, IndexError, ArithmeticError, AttributeError, RuntimeError, TypeError) as error:
            message = f"bandit failed: {type(error).__name__}: {error}"
            return Verdict(problem=Problem(ProblemKind.QUARANTINED, message, _FAILURE_HINT))
        except (ValueError, LookupError) as error:
            return _unparsable(f"cannot be read as Python: {error}")

    def _judge(self, name: str, data: bytes, tree: ast.Module | None) -> Verdict:
        source = Source(data)
        nosec = {} if self._ignore_nosec else source.nosec()
        record = Record()
        visitor = self._visitor(name, data, nosec, record)
        # For a syntax error the interpreter opens the file of that name, to quote it: a name that none has.
        parsed = ast.parse(data, filename="") if tree is None else tree
        if self._tests is None:
            _visit_as_bandit(visitor, data)
            return record.verdict(source, self._url)
        walk = Walk(visitor, self._tests)
        try:
            walk.below(parsed)
            self._whole_file(visitor, source)
        except TooDeepError:
            record = Record()
            _visit_as_bandit(self._visitor(name, data, nosec, record), data)
        finally:
            if tree is None:
                walk.unlink()
        return record.verdict(source, self._url)

    def _visitor(self, name: str, data: bytes, nosec: dict[int, set[str] | None], record: Record) -> Any:
        # Without a name, bandit does not look for __init__.py files around the current directory.
        visitor = BanditNodeVisitor("", io.BytesIO(data), None, self._testset, False, nosec, record)
        visitor.fname = name
        record.listen(visitor)
        return visitor

    def _whole_file(self, visitor: Any, source: Source) -> None:
        tests = self._testset.get_tests("File")
        if all(test.__code__ is trojansource.__code__ for test in tests) and not source.may_hold(
            BIDI_CHARACTERS
        ):
            return
        visitor.context = {
            "file_data": visitor.fdata,
            "filename": visitor.fname,
            "lineno": 0,
            "linerange": [0, 1],
            "col_offset": 0,
        }
        visitor.tester.run_tests(visitor.context, "File")

    def _url(self, test_id: str) -> str:
        if test_id not in self._urls:
            self._urls[test_id] = get_url(test_id)
        return self._urls[test_id]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Hold the garbage collector back: it would walk the growing tree many times (40 % of the time)."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _unparsable(message: str) -> Verdict:
    return Verdict(problem=Problem(ProblemKind.UNPARSABLE, message, _SYNTAX_HINT))


def _test_set(profile: SecurityProfile) -> Any:
    """Build bandit's tests as its command line does. Raises what bandit raises for what it refuses."""
    config = BanditConfig()
    if profile.config is not None:
        config._config = (
            yaml.safe_load(profile.config) if profile.own else msgspec.json.decode(profile.config)
        )
        config.validate("its configuration")
        config.convert_legacy_config()
    if profile.legacy_profile is None:
        selection = {
            "include": {*(config.get_option("tests") or []), *profile.tests},
            "exclude": {*(config.get_option("skips") or []), *profile.skips},
        }
    else:
        selection = dict(config.get_option("profiles")[profile.legacy_profile])
        selection["include"] = {*selection["include"], *profile.tests}
        selection["exclude"] = {*selection["exclude"], *profile.skips}
    MANAGER.validate_profile(selection)
    testset = BanditTestSet(config, selection)
    if not testset.tests:
        raise ValueError("no tests would be run")
    testset.tests = {check: [_copy(test) for test in tests] for check, tests in testset.tests.items()}
    return testset


def _copy(test: Any) -> Any:
    """Copy a test and its configuration, which bandit keeps on the function, one for the whole process."""
    if not isinstance(test, FunctionType):
        return test
    copied = FunctionType(test.__code__, test.__globals__, test.__name__, test.__defaults__, test.__closure__)
    copied.__kwdefaults__ = test.__kwdefaults__
    copied.__dict__.update(test.__dict__)
    copied.__module__ = test.__module__
    return copied


def _is_bandits_own(test: Any) -> bool:
    return isinstance(test, FunctionType) and test.__module__.startswith("bandit.")


def _visit_as_bandit(visitor: Any, data: bytes) -> None:
    """Let bandit's own visitor do it all, on a stack as deep as its command line's.

    The recursion limit then strikes where it strikes bandit. Raises what bandit would report.
    """
    failures: list[Exception] = []
    thread = Thread(target=_attempt, args=(visitor, data, failures), name="bandit")
    thread.start()
    thread.join()
    for failure in failures:
        raise failure


def _attempt(visitor: Any, data: bytes, failures: list[Exception]) -> None:
    try:
        _process(visitor, data)
    except (SyntaxError, *FAULTS) as error:
        failures.append(error)


def _process(visitor: Any, data: bytes) -> None:
    # Between the thread's start and bandit's visitor there are five calls, as in bandit.
    visitor.process(data)
