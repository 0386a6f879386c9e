"""A record is written whole or not at all, and what cannot be one is none."""

import stat
from pathlib import Path

import pytest

from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import Phase, ServiceRecord, crashed, restarted
from konivrer_watch.system.record import read_record, write_record

AT = "2026-01-01T00:00:00Z"
SOUND = ServiceRecord(Launcher.DIRECT, "boot", AT, AT, supervisor_pid=7)
FIELDS = '{"launcher":"direct","boot":"b","started":"s","at":"a"'


def test_what_is_written_is_read_and_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    assert read_record(folder) is None
    for record in (SOUND, crashed(SOUND, "killed by signal 9", AT), restarted(SOUND, AT)):
        write_record(folder, record)
        assert read_record(folder) == record
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        f'{FIELDS},"phase":"asleep"}}',
        f'{FIELDS},"failures":-1}}',
        f'{FIELDS},"failures":1e400}}',
        f'{FIELDS},"restarts":{10**30}}}',
        f'{FIELDS},"supervisor_pid":0}}',
        f'{FIELDS},"supervisor_pid":{2**31}}}',
        f'{FIELDS},"new":{"[" * 100_000}',
    ],
    ids=lambda text: text[-40:],
)
def test_what_cannot_be_a_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "service.json").write_text(text)
    assert read_record(tmp_path) is None


def test_a_record_of_a_later_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    (tmp_path / "service.json").write_text(f'{FIELDS},"phase":"failed","failures":9,"new":[1]}}')
    record = read_record(tmp_path)
    assert record is not None
    assert (record.phase, record.failures) == (Phase.FAILED, 9)
