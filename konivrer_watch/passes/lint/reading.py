"""ruff's ``--output-format json`` into findings.

ruff counts lines and columns from 1 and columns in code points; a BOM and the ``\\r`` of CRLF take no column,
a tab and a form feed take one, and positions in a notebook count within their cell.
"""

from collections.abc import Sequence

import msgspec

from konivrer_watch.core.model import Edit, Finding, Fix, Level, Pass, Safety

_ERRORS = ("E9", "F7", "F82", "invalid-syntax", "panic")
_SAFETY = {"safe": Safety.AUTO, "unsafe": Safety.OPT_IN, "display": Safety.SUGGEST}


class _Place(msgspec.Struct):
    row: int
    column: int


class _Edit(msgspec.Struct):
    content: str
    location: _Place
    end_location: _Place


class _Fix(msgspec.Struct):
    applicability: str
    message: str | None
    edits: Sequence[_Edit]


class _Diagnostic(msgspec.Struct):
    code: str | None
    message: str
    filename: str | None = None
    name: str | None = None
    location: _Place | None = None
    end_location: _Place | None = None
    cell: int | None = None
    fix: _Fix | None = None
    url: str | None = None


_DECODER = msgspec.json.Decoder(list[_Diagnostic])


def read_report(output: bytes) -> dict[str, list[Finding]]:
    """Return ruff's findings by the file name it prints: absolute, invalid UTF-8 replaced.

    A syntax error has the code ``invalid-syntax``, also in preview, where ruff gives it none.

    :raises ValueError: the output is not a whole report.
    """
    findings: dict[str, list[Finding]] = {}
    for found in _DECODER.decode(output):
        findings.setdefault(found.filename or "", []).append(_finding(found))
    for found_in_file in findings.values():
        found_in_file.sort(key=lambda finding: finding.order)
    return findings


def _finding(found: _Diagnostic) -> Finding:
    code = found.code or "invalid-syntax"
    start = found.location or _Place(1, 1)
    end = found.end_location or start
    return Finding(
        start.row,
        start.column,
        end.row,
        end.column,
        pass_=Pass.LINT,
        code=code,
        name=found.name or code,
        level=Level.ERROR if code.startswith(_ERRORS) else Level.WARNING,
        message=found.message,
        url=found.url,
        fix=None if found.fix is None else _fix(found.fix),
        cell=found.cell,
    )


def _fix(fix: _Fix) -> Fix:
    edits = [
        Edit(
            edit.location.row,
            edit.location.column,
            edit.end_location.row,
            edit.end_location.column,
            edit.content,
        )
        for edit in fix.edits
    ]
    return Fix(_SAFETY.get(fix.applicability, Safety.SUGGEST), fix.message or "", tuple(edits))
