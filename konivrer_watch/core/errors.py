"""Errors, split by consequence: stop the program, report and go on, or fail one job only."""


class StopError(Exception):
    """The program cannot go on; ``exit_code`` is what the process ends with."""

    exit_code = 70


class UsageFault(StopError):
    """Wrong usage or configuration: every fault is named, with its file and key."""

    exit_code = 2


class LeaseHeldError(StopError):
    """Another process serves this root."""

    exit_code = 2


class JobError(Exception):
    """One engine run has no answer; other jobs are not affected."""


class EngineMissingError(JobError):
    """An engine's program is not installed or cannot be started."""


class EngineDiedError(JobError):
    """An engine ended before it answered."""


class EngineSilentError(JobError):
    """An engine did not answer within its deadline."""
