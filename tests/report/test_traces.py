"""What a silent service has left behind says how it is, and which command mends it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.model import Launcher
from konivrer_watch.core.restart import Phase, ServiceRecord, begin
from konivrer_watch.report.commands import Commands
from konivrer_watch.report.status import StatusReport
from konivrer_watch.report.traces import Lock, Silence, Traces, deduce, read_lock

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
COMMANDS = Commands(b"/r", "u.service", "c")
START, RESTART, LOGS = (f"konivrer-watch {words} /r" for words in ("start", "restart", "logs --service"))
EARLIER = "2026-01-01T11:00:00Z"
RECORD = ServiceRecord(Launcher.DIRECT, "boot", EARLIER, EARLIER, supervisor_pid=6)
SUPERVISOR = Lock(None, None, NOW - timedelta(hours=1))


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def recorded(**changes: Any) -> ServiceRecord:
    return msgspec.structs.replace(RECORD, **changes)


def lock(launcher: Launcher, seconds: float = 3600) -> Lock:
    return Lock(7, launcher, NOW - timedelta(seconds=seconds))


def absent(
    record: ServiceRecord | None = None, daemon: Lock | None = None, supervisor: Lock | None = None
) -> StatusReport:
    return deduce(Traces(COMMANDS, "boot", NOW, record, daemon, supervisor), Silence.ABSENT, "nobody")


def silent(
    record: ServiceRecord | None = None, daemon: Lock | None = None, supervisor: Lock | None = None
) -> StatusReport:
    return deduce(Traces(COMMANDS, "boot", NOW, record, daemon, supervisor), Silence.SILENT, "no answer")


def told(report: StatusReport) -> tuple[str, str | None, str | None]:
    return report.state, report.reason, report.mend


def test_where_nothing_is_nothing_was_started() -> None:
    assert told(absent()) == ("stopped", "no service watches this folder", START)


def test_what_was_stopped_says_since_when_and_starts_as_it_ran() -> None:
    since = "stopped at 2026-01-01T11:00:00Z (1 h ago)"
    assert told(absent(recorded(phase=Phase.STOPPED))) == ("stopped", since, START)
    unit = recorded(phase=Phase.STOPPED, launcher=Launcher.SYSTEMD, boot="another")
    booted = f"{since}; not started since this machine booted"
    assert told(absent(unit)) == ("stopped", booted, "systemctl --user start u.service")


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.WAITING, Phase.FAILED])
def test_what_ran_before_the_machine_booted_was_not_started_since(phase: Phase) -> None:
    reason = "not started since this machine booted"
    assert told(absent(recorded(phase=phase, boot="another"))) == ("stopped", reason, START)


def test_without_its_supervisor_a_service_of_ours_was_orphaned() -> None:
    report = absent(recorded(restarts=2, reason="killed by signal 9"))
    assert told(report) == ("stopped", "its supervisor (process 6) was killed", START)
    assert (report.launcher, report.pid, report.supervisor_pid) == ("direct", None, None)
    assert (report.restarts, report.restart_reason, report.started) == (2, "killed by signal 9", EARLIER)
    crashed = absent(recorded(phase=Phase.FAILED, reason="killed by signal 9"))
    assert crashed.reason == (
        "its supervisor (process 6) was killed; the service had ended before: killed by signal 9"
    )


@pytest.mark.parametrize(
    ("launcher", "keeper", "mend"),
    [
        (Launcher.SYSTEMD, "systemd", "systemctl --user status u.service"),
        (Launcher.DOCKER, "Docker", "docker ps --all --filter name=c"),
    ],
)
def test_a_main_process_that_is_gone_ended_without_a_word(launcher: Launcher, keeper: str, mend: str) -> None:
    reason = f"it ended without a word; {keeper} starts it again unless it was told not to"
    record = recorded(launcher=launcher, supervisor_pid=None)
    assert told(absent(record)) == ("stopped", reason, mend)
    waits = msgspec.structs.replace(record, phase=Phase.WAITING, failures=1, at=ago(60), retry_at=ago(6))
    assert told(absent(waits)) == ("stopped", reason, mend)


@pytest.mark.parametrize("launcher", [Launcher.SYSTEMD, Launcher.DOCKER])
def test_a_main_process_that_waits_for_its_next_attempt_is_starting_though_it_holds_nothing(
    launcher: Launcher,
) -> None:
    record = recorded(
        launcher=launcher, phase=Phase.WAITING, failures=1, reason="full", at=ago(1), retry_at=ago(-3)
    )
    assert told(absent(record)) == (
        "starting",
        "crashed: full; the next attempt is at 2026-01-01T12:00:03Z (in 3 s)",
        LOGS,
    )
    assert absent(msgspec.structs.replace(record, retry_at=None)).state == "starting"


@pytest.mark.parametrize("launcher", [Launcher.SYSTEMD, Launcher.DOCKER])
def test_a_main_process_that_was_started_again_while_it_had_failed_is_failed_and_not_stopped(
    launcher: Launcher,
) -> None:
    before = recorded(
        launcher=launcher, phase=Phase.FAILED, failures=7, supervisor_pid=None, retry_at=ago(100)
    )
    record = begin(before, launcher, "boot", ago(60))
    report = absent(record)
    assert report.state == "failed"
    assert "the next attempt is at 2026-01-01T12:04:00Z (in 4 min)" in (report.reason or "")


def test_a_supervisor_between_two_lives_says_what_ended_the_last_one_and_when_the_next_begins() -> None:
    waits = recorded(phase=Phase.WAITING, failures=3, reason="killed by signal 9", retry_at=ago(-4))
    report = absent(waits, supervisor=SUPERVISOR)
    assert told(report) == (
        "starting",
        "crashed 3 times in a row, the last time: killed by signal 9; the next attempt is at "
        "2026-01-01T12:00:04Z (in 4 s)",
        LOGS,
    )
    assert (report.healthy, report.supervisor_pid) == (False, 6)


def test_a_failed_service_says_so_loudly_and_what_to_do() -> None:
    failed = recorded(phase=Phase.FAILED, failures=7, reason="exit code 2: no such rule", retry_at=ago(-240))
    state, reason, mend = told(absent(failed, supervisor=SUPERVISOR))
    assert (state, mend) == ("failed", RESTART)
    assert reason is not None
    assert reason.startswith("FAILED: it crashed 7 times in a row, the last time: exit code 2: no such rule;")
    assert reason.endswith("(in 4 min); correct the cause first")


def test_a_supervisor_without_a_service_is_starting_it_for_half_a_minute_and_then_at_fault() -> None:
    young = Lock(None, None, NOW)
    starting = ("starting", "its supervisor is starting it", None)
    assert told(absent(None, supervisor=young)) == starting
    assert told(absent(recorded(), supervisor=young)) == starting
    assert told(absent(recorded(at=ago(3)), supervisor=SUPERVISOR)) == starting
    wrong = ("failed", "its supervisor runs, but the service does not", RESTART)
    assert told(absent(recorded(at=ago(31)), supervisor=SUPERVISOR)) == wrong
    assert absent(recorded(phase=Phase.STOPPED), supervisor=SUPERVISOR).state == "stopped"


def test_who_holds_the_lock_and_has_no_socket_has_just_begun_or_hides() -> None:
    young = absent(None, daemon=lock(Launcher.TERMINAL, 2))
    assert told(young) == ("starting", "process 7 has just begun and does not answer yet", None)
    assert (young.pid, young.launcher, young.uptime_s) == (7, "terminal", 2)
    old = absent(None, daemon=lock(Launcher.TERMINAL, 60))
    assert old.state == "failed"
    assert "process 7 watches, but its control socket is gone or elsewhere" in (old.reason or "")


@pytest.mark.parametrize(
    ("launcher", "rescue", "mend"),
    [
        (Launcher.TERMINAL, "nobody restarts it", "kill -9 7; then start it again: konivrer-watch /r"),
        (Launcher.DIRECT, "its supervisor is gone as well", RESTART),
        (Launcher.SYSTEMD, "systemd restarts it", "systemctl --user restart u.service"),
        (Launcher.DOCKER, "the monitor restarts it", "docker restart c"),
    ],
)
def test_who_listens_and_does_not_answer_hangs(launcher: Launcher, rescue: str, mend: str) -> None:
    state, reason, command = told(silent(RECORD, daemon=lock(launcher)))
    assert (state, command) == ("failed", mend)
    assert reason is not None
    process = "process 7 of its container" if launcher is Launcher.DOCKER else "process 7"
    assert reason.startswith(f"hung: {process} listens and does not answer; {rescue}")


def test_a_supervisor_that_is_there_restarts_what_hangs() -> None:
    reason = silent(RECORD, daemon=lock(Launcher.DIRECT), supervisor=SUPERVISOR).reason
    assert reason is not None
    assert reason.endswith("its supervisor ends and restarts it once it was silent for check_interval")


def test_a_supervisor_that_is_stopped_itself_restarts_nothing() -> None:
    stopped = Lock(6, Launcher.DIRECT, NOW, is_suspended=True)
    hung = "hung: process 7 does not answer, and its supervisor is stopped (SIGSTOP)"
    report = silent(RECORD, daemon=lock(Launcher.DIRECT), supervisor=stopped)
    assert told(report) == ("failed", hung, "kill -CONT 6 7")
    alone = "its supervisor is stopped (SIGSTOP), and the service does not run"
    assert told(absent(RECORD, supervisor=stopped)) == ("failed", alone, "kill -CONT 6")


@pytest.mark.parametrize("names", [("daemon",), ("supervisor",), ("daemon", "supervisor")])
def test_who_holds_a_lock_that_was_removed_begins_anew(names: tuple[str, ...]) -> None:
    removed = Lock(7, Launcher.DIRECT, NOW - timedelta(hours=1), is_removed=True)
    reason = "its state folder was removed: it begins anew within seconds"
    assert told(absent(None, **dict.fromkeys(names, removed))) == ("starting", reason, None)


def test_what_systemd_ran_is_not_looked_for_there_once_its_unit_is_gone() -> None:
    gone = msgspec.structs.replace(COMMANDS, is_installed=False)
    ran = recorded(launcher=Launcher.SYSTEMD, supervisor_pid=None)
    reason = "it ended without a word, and its systemd unit is not installed any more"
    assert told(deduce(Traces(gone, "boot", NOW, ran), Silence.ABSENT, "")) == ("stopped", reason, START)
    stopped = msgspec.structs.replace(ran, phase=Phase.STOPPED)
    assert deduce(Traces(gone, "boot", NOW, stopped), Silence.ABSENT, "").mend == START


def test_a_folder_above_that_is_watched_is_named_unless_there_is_more_to_say() -> None:
    reason = "no service watches this folder by itself; /q above it is watched"
    for record in (None, recorded(phase=Phase.STOPPED)):
        report = deduce(Traces(COMMANDS, "boot", NOW, record, above=b"/q"), Silence.ABSENT, "")
        assert told(report) == ("stopped", reason, "konivrer-watch status /q")
    killed = deduce(Traces(COMMANDS, "boot", NOW, RECORD, above=b"/q"), Silence.ABSENT, "")
    assert killed.reason == "its supervisor (process 6) was killed"


def test_a_terminals_watcher_is_not_told_by_the_record_of_a_service_that_ran_before_it() -> None:
    report = silent(recorded(restarts=5), daemon=lock(Launcher.TERMINAL))
    assert (report.restarts, report.started) == (0, None)


def test_an_answer_that_cannot_be_used_is_a_fault_in_its_own_words() -> None:
    traces = Traces(COMMANDS, "boot", NOW, RECORD)
    assert told(deduce(traces, Silence.FOREIGN, "old")) == ("failed", "old", RESTART)
    assert told(deduce(traces, Silence.REFUSED, "not yours")) == ("failed", "not yours", None)


@given(st.text(), st.floats(0, 4e9))
def test_a_locks_text_may_be_anything(holder: str, since: float) -> None:
    assert read_lock(holder, since).since.timestamp() == pytest.approx(since, abs=1e-3)
    assert read_lock("process 42, since noon", since).pid == 42
    assert read_lock("process 42 (systemd), since noon", since).launcher is Launcher.SYSTEMD


_instants = st.none() | st.datetimes().map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ")) | st.text(max_size=5)
_records = st.builds(
    ServiceRecord,
    launcher=st.sampled_from(Launcher),
    boot=st.sampled_from(["boot", "another", ""]),
    started=_instants.map(str),
    at=_instants.map(str),
    phase=st.sampled_from(Phase),
    supervisor_pid=st.none() | st.integers(1, 9),
    restarts=st.integers(0, 9),
    failures=st.integers(0, 9),
    reason=st.none() | st.text(max_size=5),
    retry_at=_instants,
)
_locks = st.none() | st.builds(
    Lock,
    pid=st.none() | st.integers(1, 9),
    launcher=st.none() | st.sampled_from(Launcher),
    since=st.datetimes(timezones=st.just(UTC)),
)


@given(st.none() | _records, _locks, _locks, st.sampled_from(Silence))
def test_silence_is_never_health_and_a_held_lock_never_a_stop(
    record: ServiceRecord | None, daemon: Lock | None, supervisor: Lock | None, silence: Silence
) -> None:
    report = deduce(Traces(COMMANDS, "boot", NOW, record, daemon, supervisor), silence, "words")
    assert not report.healthy
    assert report.reason
    assert report.state in ("starting", "failed", "stopped")
    needs_none = report.state == "starting" or supervisor is not None or silence is Silence.REFUSED
    assert report.mend is not None or needs_none
    if report.state == "stopped":
        assert daemon is None
        assert silence is Silence.ABSENT
