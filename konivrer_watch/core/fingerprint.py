"""The key of a verdict: everything a verdict is a function of, and nothing else (law 5 of the design)."""

from hashlib import sha256

import msgspec

from konivrer_watch.core.model import Pass

_encode = msgspec.msgpack.Encoder().encode


def verdict_key(
    pass_: Pass,
    engine: bytes,
    configuration: bytes,
    path: bytes,
    executable: bool,
    content: bytes,
    around: bytes,
) -> bytes:
    """Return 32 bytes that are equal exactly when all arguments are. The first tells the pass.

    ``engine`` names program and version, ``configuration`` and ``content`` are digests, ``around`` is a digest of
    what in the neighbourhood the pass looks at, empty where it looks at nothing.
    """
    # msgpack marks where each part ends, so that no two sets of arguments run together to the same bytes.
    digest = sha256(_encode((pass_, engine, configuration, path, executable, content, around))).digest()
    # A store finds what one engine said by the beginning of the keys.
    return key_mark(pass_) + digest[:31]


def key_mark(pass_: Pass) -> bytes:
    """Return the byte with which every key of a pass begins."""
    return pass_[0].encode()
