r"""One gitignore glob as a regular expression that matches what git's ``wildmatch`` matches.

pathspec translates most globs, but strips the byte 0xA0 as white space, lets ``$`` accept a trailing
newline, and differs on character classes, escapes and ``a**/b``; a directory's marker would also be
eaten by a pattern's own slash. Here the marker is a NUL, which no name holds, and every star is
atomic, so that no glob of a repository can make a match run away.
"""

_SPECIAL = frozenset(b"*?[\\")
_NAME = rb"[^/\x00]"
_FOLDERS = rb"(?:[^/\x00]*/)"

# git's own ctype, not C's: its "space" lacks \v and \f, and no class holds a byte above 0x7F.
_CLASSES: dict[bytes, frozenset[int]] = {
    b"alnum": frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    b"alpha": frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    b"blank": frozenset(b" \t"),
    b"cntrl": frozenset(range(32)) | {127},
    b"digit": frozenset(b"0123456789"),
    b"graph": frozenset(range(33, 127)),
    b"lower": frozenset(b"abcdefghijklmnopqrstuvwxyz"),
    b"print": frozenset(range(32, 127)),
    b"punct": frozenset(b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    b"space": frozenset(b" \t\n\r"),
    b"upper": frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    b"xdigit": frozenset(b"0123456789ABCDEFabcdef"),
}


def is_literal(glob: bytes) -> bool:
    """Whether the glob holds nothing special, so that it matches itself only."""
    return _SPECIAL.isdisjoint(glob)


def translate(glob: bytes) -> bytes | None:
    r"""Source of a bytes expression for a glob without leading and trailing slash.

    It is to be followed by an end (``\x00`` for directories, ``\Z``) and has no capturing group.
    ``None`` means that the glob is malformed, which for git is a pattern that never matches.
    """
    fixed = next((i for i, byte in enumerate(glob) if byte in _SPECIAL), len(glob))
    out: list[bytes] = []
    unfinished = 0  # where the run that follows the last `**/` begins in `out`
    at = 0
    while at < len(glob):
        stars = _stars(glob, at)
        if stars >= 2 and _spans_folders(glob, at, stars, fixed):
            # What lies between two `**` is a fixed number of whole components: its leftmost place is
            # as good as any other, hence atomic.
            if unfinished:
                out[unfinished - 1] = b"(?>" + out[unfinished - 1]
                out.append(b")")
            at += stars
            if glob[at : at + 1] == b"/":
                out.append(_FOLDERS + b"*?")
                at += 1
            elif at < len(glob):
                out.append(_FOLDERS + b"+?")
                at += 2
            else:
                out.append(rb"[^\x00]*")
            unfinished = len(out)
            continue
        end = _piece_end(glob, at + stars)
        piece = _fixed_length(glob[at + stars : end])
        if piece is None:
            return None
        out.append(
            _after_star(piece, last=end == len(glob) or glob[end : end + 1] == b"/") if stars else piece
        )
        if glob[end : end + 1] == b"/":
            out.append(b"/")
            end += 1
        at = end
    return b"".join(out)


def _stars(glob: bytes, at: int) -> int:
    end = at
    while glob[end : end + 1] == b"*":
        end += 1
    return end - at


def _spans_folders(glob: bytes, at: int, stars: int, fixed: int) -> bool:
    # git up to 2.51 compares the literal head apart and then sees the rest begin with `**`: `a**/b`
    # means `a` and anything, slashes too. Later versions take it for a single star.
    opens = at == fixed or glob[at - 1 : at] == b"/"
    rest = glob[at + stars :]
    return opens and (not rest or rest.startswith((b"/", b"\\/")))


def _after_star(piece: bytes, last: bool) -> bytes:
    """A star and the fixed-length piece behind it; in a component, leftmost is good enough too."""
    end = rb"(?=[/\x00]|\Z)" if last else b""
    return b"(?>" + _NAME + b"*?" + piece + end + b")"


def _piece_end(glob: bytes, at: int) -> int:
    """Where the run of single-byte items that starts at ``at`` ends: at a star, a slash or the end."""
    while at < len(glob) and glob[at : at + 1] not in (b"*", b"/"):
        if glob[at : at + 1] == b"\\":
            at += 2
        elif glob[at : at + 1] == b"[":
            parsed = _parse_class(glob, at + 1)
            at = len(glob) if parsed is None else parsed[1]
        else:
            at += 1
    return min(at, len(glob))


def _fixed_length(piece: bytes) -> bytes | None:
    """Expression for literals, ``?`` and classes only; ``None`` where git finds it malformed."""
    out: list[bytes] = []
    at = 0
    while at < len(piece):
        byte = piece[at : at + 1]
        at += 1
        if byte == b"?":
            out.append(_NAME)
        elif byte == b"[":
            parsed = _parse_class(piece, at)
            if parsed is None or not parsed[0]:
                return None
            out.append(_one_of(parsed[0]))
            at = parsed[1]
        elif byte == b"\\":
            if at == len(piece):
                return None
            out.append(b"\\x%02x" % piece[at])
            at += 1
        else:
            out.append(b"\\x%02x" % byte[0])
    return b"".join(out)


def _one_of(members: frozenset[int]) -> bytes:
    return b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(members)) + b"]"


def _parse_class(glob: bytes, at: int) -> tuple[frozenset[int], int] | None:
    """Bytes named by the class whose inside starts at ``at``, and the place behind its ``]``."""
    negated = glob[at : at + 1] in (b"!", b"^")
    start = at = at + negated
    members: set[int] = set()
    previous: int | None = None
    while at < len(glob):
        byte = glob[at]
        following = glob[at + 1 : at + 2]
        if byte == ord("]") and at > start:
            chosen = frozenset(range(1, 256)) - members if negated else frozenset(members)
            return chosen - frozenset(b"/\0"), at + 1
        if byte == ord("-") and previous is not None and following not in (b"", b"]"):
            at += 2 if following == b"\\" else 1
            if at >= len(glob):
                return None
            members.update(range(previous, glob[at] + 1))
            previous = None
        elif byte == ord("[") and following == b":" and glob[at + 2 : _close(glob, at)].endswith(b":"):
            close = _close(glob, at)
            named = _CLASSES.get(glob[at + 2 : close - 1])
            if named is None:
                return None
            members |= named
            previous = None
            at = close
        else:
            at += byte == ord("\\")
            if at >= len(glob):
                return None
            previous = glob[at]
            members.add(previous)
        at += 1
    return None


def _close(glob: bytes, at: int) -> int:
    """Place of the first ``]`` behind ``[:``, or the end."""
    found = glob.find(b"]", at + 2)
    return len(glob) if found < 0 else found
