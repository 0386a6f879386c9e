"""What parent and engine worker say to each other: msgpack frames behind a four-byte length."""

import msgspec

from konivrer_watch.core.model import Pass, Problem, ProblemKind, Verdict
from konivrer_watch.passes.optimize.engine import OptimizeSettings
from konivrer_watch.passes.security.profile import SecurityProfile


class WorkerSetup(msgspec.Struct, frozen=True, tag="setup"):
    """The configuration that holds for every job that follows.

    ``memory_bytes`` may be mapped beyond what an idle worker has. A job that takes more than ``cpu_seconds`` of the
    processor ends the worker by SIGPROF: that much is the file's fault, however busy the machine is.
    """

    rules: dict[str, bytes]
    optimize: OptimizeSettings
    security: SecurityProfile | None
    memory_bytes: int
    cpu_seconds: float = 20.0


class WorkerJob(msgspec.Struct, frozen=True, tag="job"):
    """One file's bytes and the passes to run on them."""

    path: bytes
    data: bytes
    passes: tuple[Pass, ...]


class WorkerAnswer(msgspec.Struct, frozen=True):
    """Each pass's verdict, and the seconds it took."""

    verdicts: dict[Pass, Verdict]
    seconds: dict[Pass, float]


encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(WorkerSetup | WorkerJob).decode
decode_answer = msgspec.msgpack.Decoder(WorkerAnswer).decode


def encode_answer(answer: WorkerAnswer) -> bytes:
    """Encode an answer; a verdict that quotes what is no Unicode is replaced by a problem of that pass."""
    try:
        return encode(answer)
    except UnicodeEncodeError:
        verdicts = {pass_: _encodable(verdict) for pass_, verdict in answer.verdicts.items()}
        return encode(WorkerAnswer(verdicts, answer.seconds))


def _encodable(verdict: Verdict) -> Verdict:
    try:
        encode(verdict)
    except UnicodeEncodeError as error:
        message = f"what was found cannot be told: {error}"
        hint = "write half surrogate pairs as escapes, or exclude the file"
        return Verdict(problem=Problem(ProblemKind.ENGINE, message, hint))
    return verdict
