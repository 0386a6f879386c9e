"""What is asked of the child process that executes rule code, and what it answers."""

import msgspec

from konivrer_watch.passes.optimize.gate import Pairs


class VerifyRule(msgspec.Struct, frozen=True, tag="verify"):
    """Keep a rule file's promises, and try to refute its equivalence; ``max_examples`` overrides the file's."""

    file: str
    data: bytes
    max_examples: int | None = None


class BenchRule(msgspec.Struct, frozen=True, tag="bench"):
    """Time a rule file's workloads: so many pairs, each program for at least ``seconds`` of CPU time at a time."""

    file: str
    data: bytes
    rounds: int = 15
    seconds: float = 0.002


class Verified(msgspec.Struct, frozen=True, tag="verified"):
    """What is wrong with a rule, in words; nothing where it is proven."""

    faults: tuple[str, ...]


class Timed(msgspec.Struct, frozen=True, tag="timed"):
    """A rule's measurements; ``problem`` says why there are none."""

    digest: str = ""
    pairs: tuple[Pairs, ...] = ()
    problem: str | None = None


encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(VerifyRule | BenchRule).decode
decode_answer = msgspec.msgpack.Decoder(Verified | Timed).decode
