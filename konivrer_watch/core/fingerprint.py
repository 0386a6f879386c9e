"""The key of a verdict: everything a verdict is a function of, and nothing else (law 5 of the design)."""

from hashlib import sha256

from konivrer_watch.core.model import Pass


def verdict_key(
    pass_: Pass,
    engine: bytes,
    configuration: bytes,
    path: bytes,
    executable: bool,
    content: bytes,
    around: bytes,
) -> bytes:
    """Return 32 bytes that are equal exactly when all arguments are.

    ``engine`` names program and version, ``configuration`` and ``content`` are digests, ``around`` is a digest of
    what in the neighbourhood the pass looks at, empty where it looks at nothing.
    """
    digest = sha256()
    for part in (pass_.encode(), engine, configuration, path, b"x" if executable else b"-", content, around):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()
