"""Settings are found where the documentation says, and nothing unreadable goes unnamed."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from konivrer_watch.cli.configuration import MAX_BYTES, NO_EFFECT_YET, read_layers, render_config
from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.settings import KINDS, Layer, Resolved, Settings, resolve, variable

TABLE = "[tool.konivrer-watch]\n"


def resolved(
    root: Path, environ: Mapping[str, str] | None = None, options: Mapping[str, object] | None = None
) -> Resolved:
    return resolve(read_layers(root, environ or {}, options or {}))


def faults(root: Path, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(UsageFault) as caught:
        resolved(root, environ)
    return str(caught.value).splitlines()


def test_nothing_anywhere_means_the_defaults(tmp_path: Path) -> None:
    assert resolved(tmp_path).settings == Settings()
    assert resolved(tmp_path / "absent").settings == Settings()


def test_options_win_over_the_environment_over_our_file_over_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f"{TABLE}log_keep = 1\nlog_max_mb = 1\ncpu_quota = 1\nmax_file_kb = 1\nhook.new_only = true\n"
    )
    (tmp_path / "konivrer-watch.toml").write_text("log_keep = 2\nlog_max_mb = 2\ncpu_quota = 2\n")
    environ = {"KONIVRER_WATCH_LOG_KEEP": "3", "KONIVRER_WATCH_LOG_MAX_MB": "3", "PATH": "/bin"}
    got = resolved(tmp_path, environ, {"log_keep": 4, "pull": None})
    assert (got.settings.log_keep, got.settings.log_max_mb) == (4, 3)
    assert (got.settings.cpu_quota, got.settings.max_file_kb) == (2, 1)
    assert got.settings.hook.new_only
    keys = ("log_keep", "log_max_mb", "cpu_quota", "max_file_kb", "hook.new_only", "pull")
    assert [got.origins[key] for key in keys] == [
        "options",
        "environment",
        "konivrer-watch.toml",
        "pyproject.toml",
        "pyproject.toml",
        "default",
    ]


def test_every_setting_has_a_variable_and_no_two_share_one() -> None:
    assert len({variable(key) for key in KINDS}) == len(KINDS)
    assert variable("hook.new_only") == "KONIVRER_WATCH_HOOK_NEW_ONLY"


def test_an_unknown_variable_is_a_fault_but_the_state_folder_is_none(tmp_path: Path) -> None:
    environ = {
        "KONIVRER_WATCH_STATE_DIR": "/s",
        "KONIVRER_WATCH_FIXX": "auto",
        "KONIVRER_WATCH_PULL": "maybe",
    }
    assert faults(tmp_path, environ) == [
        "environment: KONIVRER_WATCH_FIXX: is not a setting; the nearest is KONIVRER_WATCH_FIX",
        "environment: KONIVRER_WATCH_PULL: must be true or false, not 'maybe'",
    ]


def test_a_root_without_settings_takes_those_of_the_nearest_folder_up_to_gits_top(tmp_path: Path) -> None:
    root = tmp_path / "outside" / "top" / "middle" / "root"
    root.mkdir(parents=True)
    (tmp_path / "outside/konivrer-watch.toml").write_text("log_keep = 9\n")
    (root / "pyproject.toml").write_text("[tool.ruff]\n")
    assert resolved(root).settings.log_keep == 5
    (tmp_path / "outside/top/.git").mkdir()
    assert resolved(root).settings.log_keep == 5
    (tmp_path / "outside/top/pyproject.toml").write_text(f"{TABLE}log_keep = 7\ncpu_quota = 7\n")
    got = resolved(root)
    assert (got.settings.log_keep, got.origins["log_keep"]) == (7, "../../pyproject.toml")
    (tmp_path / "outside/top/middle/konivrer-watch.toml").write_text("log_keep = 8\n")
    assert (resolved(root).settings.log_keep, resolved(root).settings.cpu_quota) == (8, 50)
    (root / "konivrer-watch.toml").write_text("")
    assert resolved(root).settings.log_keep == 5


def test_a_root_that_is_gits_top_does_not_look_above(tmp_path: Path) -> None:
    root = tmp_path / "submodule"
    root.mkdir()
    (tmp_path / ".git").mkdir()
    (root / ".git").write_text("gitdir: elsewhere\n")
    (tmp_path / "konivrer-watch.toml").write_text("log_keep = 9\n")
    assert resolved(root).settings.log_keep == 5


def test_an_invalid_pyproject_is_named_together_with_all_other_faults(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = \n")
    (tmp_path / "konivrer-watch.toml").write_text("fixx = 1\n")
    lines = faults(tmp_path, {"KONIVRER_WATCH_PULL": "maybe"})
    assert lines[0].startswith("pyproject.toml: not valid TOML: ")
    assert "line 2" in lines[0]
    assert lines[1].startswith("konivrer-watch.toml: fixx: is not a setting")
    assert lines[2].startswith("environment: KONIVRER_WATCH_PULL: ")
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"a = 1\nb = '\xff'\n", "line 2", "not UTF-8"),
        (b"a = 1\n\n[tool", "line 3", "not valid TOML"),
        (b"a = 1\na = 2\n", "line 2", "not valid TOML"),
        (b"a = '\x1b[2J'\n", "line 1", "not valid TOML"),
        (b"a = " + b"9" * 5000, "4300", "not valid TOML"),
        (b"a = " + b"[" * 20_000, "nested", "not usable"),
        (b"# " + b"x" * MAX_BYTES, "larger than 1M", "cannot be read"),
    ],
)
@pytest.mark.parametrize("name", ["pyproject.toml", "konivrer-watch.toml"])
def test_a_file_that_is_no_toml_is_named_with_place_and_reason(
    tmp_path: Path, name: str, data: bytes, line: str, words: str
) -> None:
    (tmp_path / name).write_bytes(data)
    (fault,) = faults(tmp_path)
    assert fault.startswith(f"{name}: {words}") or fault.startswith(f"{name}: {line}: {words}")
    assert line in fault
    assert fault.isprintable()


def test_a_folder_or_pipe_of_that_name_is_named_and_not_opened(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    os.mkfifo(tmp_path / "konivrer-watch.toml")
    assert faults(tmp_path) == [
        "pyproject.toml: cannot be read: it is a folder; rename or remove it",
        "konivrer-watch.toml: cannot be read: it is not a regular file; rename or remove it",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(TABLE)
    (tmp_path / "pyproject.toml").chmod(0)
    assert faults(tmp_path) == ["pyproject.toml: cannot be read: Permission denied"]


def test_a_symlink_loop_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").symlink_to("pyproject.toml")
    assert faults(tmp_path) == ["pyproject.toml: cannot be read: Too many levels of symbolic links"]


def test_our_table_must_be_a_table(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]\nkonivrer-watch = 3\n")
    assert faults(tmp_path) == ["pyproject.toml: tool.konivrer-watch: must be a table"]
    (tmp_path / "pyproject.toml").write_text("tool = 3\n")
    assert resolved(tmp_path).settings == Settings()


def test_the_table_shows_each_key_with_value_and_origin_in_columns() -> None:
    text = render_config(
        resolve([Layer("pyproject.toml", {"exclude": ["a\u202eb"], "verify": "make"})]), "text", Path("/r")
    )
    *lines, note = text.splitlines()
    assert note == "* has no effect yet"
    marked = {line.split()[0].removesuffix("*") for line in lines if line.split()[0].endswith("*")}
    assert marked == NO_EFFECT_YET
    rows = {name.removesuffix("*"): rest for name, rest in (line.split(maxsplit=1) for line in lines)}
    assert list(rows) == list(KINDS)
    assert rows["memory_max"].split() == ['"512M"', "default"]
    assert rows["check_interval"].split() == ["60", "default"]
    assert rows["exclude"].split() == ['["a\\u202eb"]', "pyproject.toml"]
    assert rows["hook.new_only"].split() == ["false", "default"]
    starts = {line.index("default") for line in text.splitlines() if line.endswith("default")}
    assert len(starts) == 1


def test_the_json_table_gives_values_that_resolve_to_the_same_settings() -> None:
    got = resolve([Layer("pyproject.toml", {"hook": {"new_only": True}, "check_interval": 2.5})])
    shown = msgspec.json.decode(render_config(got, "json", Path(os.fsdecode(b"/r\xff"))))
    assert list(shown) == ["schema", "root", "settings"]
    assert (shown["schema"], shown["root"]) == (1, "/r\\xff")
    assert shown["settings"]["hook.new_only"] == {"value": True, "origin": "pyproject.toml"}
    values = {key: entry["value"] for key, entry in shown["settings"].items()}
    assert resolve([Layer("again", values)]).settings == got.settings


def test_a_key_of_thousands_of_parts_is_named_as_any_other_fault(tmp_path: Path) -> None:
    (tmp_path / "konivrer-watch.toml").write_text("a." * 50_000 + "a = 1\n")
    assert "not valid TOML: a key has more than 64 parts" in faults(tmp_path)[0]
