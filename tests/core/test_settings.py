"""Layers of settings become one value, or one list of every fault."""

import pytest

from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.model import Pass
from konivrer_watch.core.settings import (
    DEFAULT,
    KINDS,
    Layer,
    Resolved,
    Settings,
    Spelling,
    flat,
    resolve,
)


def faults_of(*layers: Layer) -> list[str]:
    with pytest.raises(UsageFault) as caught:
        resolve(layers)
    return str(caught.value).splitlines()


def environment(**values: str) -> Layer:
    return Layer("environment", values, Spelling.ENVIRONMENT)


def test_without_layers_every_value_is_the_default_of_the_table() -> None:
    resolved = resolve([])
    assert resolved == Resolved(Settings(), dict.fromkeys(KINDS, DEFAULT))
    assert flat(resolved.settings) == {
        "passes": ("lint", "optimize", "security"),
        "fix": "off",
        "exclude": (),
        "debounce_ms": 50,
        "debounce_max_ms": 2000,
        "check_interval": 60,
        "resource_check_interval": 300,
        "resource_threshold": 80,
        "resource_resume": 60,
        "heal_interval": 3600,
        "pull": True,
        "workers": "auto",
        "max_file_kb": 1024,
        "fix_min_age": 2,
        "fix_quiet": 60,
        "hook.new_only": False,
        "optimize.select": (),
        "optimize.ignore": (),
        "optimize.opt_in": (),
        "source": "auto",
        "fail_on": "warning",
        "cpu_quota": 50,
        "memory_max": 512 * 1024 * 1024,
        "log_max_mb": 10,
        "log_keep": 5,
        "verify": None,
    }


def test_every_default_is_an_allowed_value() -> None:
    for key, value in flat(Settings()).items():
        KINDS[key].read(value)


def test_every_fault_of_every_layer_is_named_at_once() -> None:
    assert faults_of(
        Layer("pyproject.toml", {}, faults=("pyproject.toml: line 3: no",)),
        Layer("konivrer-watch.toml", {"debounce_msec": 5, "hook": {"new": True}, "optimize": 3}),
        environment(KONIVRER_WATCH_WORKERS="many", KONIVRER_WATCH_PULLS="1"),
        Layer("options", {"fail_on": "warn", "resource_threshold": 0}, Spelling.OPTIONS),
    ) == [
        "pyproject.toml: line 3: no",
        "konivrer-watch.toml: debounce_msec: is not a setting; the nearest is debounce_ms",
        "konivrer-watch.toml: hook.new: is not a setting; the nearest is hook.new_only",
        "konivrer-watch.toml: optimize: must be a table with any of select, ignore, opt_in",
        "environment: KONIVRER_WATCH_WORKERS: must be \"auto\" or a whole number from 1 to 256, not 'many'",
        "environment: KONIVRER_WATCH_PULLS: is not a setting; the nearest is KONIVRER_WATCH_PULL",
        'options: fail_on: must be one of "error", "warning", "note", "never", not \'warn\'',
        "options: resource_threshold: must be a whole number of percent from 1 to 100, not 0",
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("passes", []),
        ("passes", ["lint", "types"]),
        ("passes", "lint"),
        ("passes", [["lint"]]),
        ("exclude", "*.log"),
        ("exclude", ["a\nb"]),
        ("exclude", [""]),
        ("exclude", ["\udcff"]),
        ("debounce_ms", True),
        ("debounce_ms", 50.0),
        ("debounce_ms", "50"),
        ("check_interval", float("nan")),
        ("check_interval", float("inf")),
        ("check_interval", "60 s"),
        ("check_interval", False),
        ("heal_interval", 0),
        ("workers", 0),
        ("workers", True),
        ("workers", "two"),
        ("memory_max", "512X"),
        ("memory_max", "1M"),
        ("memory_max", "\N{ARABIC-INDIC DIGIT FIVE}M"),
        ("memory_max", -1),
        ("memory_max", 1e9),
        ("pull", 1),
        ("pull", "yes"),
        ("verify", ""),
        ("verify", "  "),
        ("verify", ["make", "test"]),
        ("source", "fsevents"),
        ("fix", True),
    ],
)
def test_a_value_out_of_its_kind_is_refused_in_a_file(key: str, value: object) -> None:
    (fault,) = faults_of(Layer("konivrer-watch.toml", {key: value}))
    assert fault.startswith(f"konivrer-watch.toml: {key}: must be ")


def test_sizes_are_read_with_units_of_1024() -> None:
    sizes = {"67108864": 64 << 20, "65536k": 64 << 20, "512M": 512 << 20, "1G": 1 << 30, "1T": 1 << 40}
    for text, size in sizes.items():
        assert resolve([Layer("here", {"memory_max": text})]).settings.memory_max == size


def test_nested_and_dotted_names_mean_the_same() -> None:
    nested = Layer("here", {"hook": {"new_only": True}, "optimize": {"ignore": ["OPT101"]}})
    dotted = Layer("here", {"hook.new_only": True, "optimize.ignore": ["OPT101"]})
    assert resolve([nested]) == resolve([dotted])


def test_passes_are_kept_once_and_in_their_own_order() -> None:
    settings = resolve([environment(KONIVRER_WATCH_PASSES="security, lint,lint")]).settings
    assert settings.passes == (Pass.LINT, Pass.SECURITY)


def test_an_empty_variable_takes_the_command_away() -> None:
    below = Layer("pyproject.toml", {"verify": "make test"})
    assert resolve([below, environment(KONIVRER_WATCH_VERIFY="")]).settings.verify is None


@pytest.mark.parametrize(
    ("values", "effective"),
    [
        ({"debounce_max_ms": 20}, (20, 20, 60, 80)),
        ({"debounce_ms": 3000}, (3000, 3000, 60, 80)),
        ({"resource_threshold": 40}, (50, 2000, 30, 40)),
        ({"resource_threshold": 1}, (50, 2000, 1, 1)),
        ({"resource_threshold": 100}, (50, 2000, 60, 100)),
    ],
)
def test_a_default_gives_way_to_the_value_it_must_agree_with(
    values: dict[str, object], effective: tuple[int, ...]
) -> None:
    got = resolve([Layer("here", values)]).settings
    assert (
        got.debounce_ms,
        got.debounce_max_ms,
        got.resource_resume,
        got.resource_threshold,
    ) == effective


def test_set_values_that_contradict_each_other_are_refused_with_both_origins() -> None:
    assert faults_of(
        Layer("pyproject.toml", {"debounce_ms": 500, "resource_resume": 70}),
        Layer("options", {"debounce_max_ms": 100, "resource_threshold": 50}, Spelling.OPTIONS),
    ) == [
        "pyproject.toml: debounce_ms: must be at most debounce_max_ms (100, options), not 500",
        "pyproject.toml: resource_resume: must be at most resource_threshold (50, options), not 70",
    ]
    assert faults_of(Layer("here", {"resource_resume": 90})) == [
        "here: resource_resume: must be at most resource_threshold (80, default), not 90"
    ]


def test_a_refused_value_causes_no_second_fault_about_its_partner() -> None:
    assert len(faults_of(Layer("here", {"resource_resume": 90, "resource_threshold": "x"}))) == 1


def test_control_characters_and_length_do_not_reach_the_message() -> None:
    lines = faults_of(
        Layer("here", {"a\n\x1b[2J": 1, "fix": "\x1b[2J", "x" * 10_000: 1, "source": "y" * 10_000})
    )
    assert len(lines) == 4
    assert all(line.isprintable() and len(line) < 250 for line in lines)


def test_an_integer_too_long_to_print_is_refused_like_any_other() -> None:
    (fault,) = faults_of(Layer("here", {"log_keep": 10**5000}))
    assert fault.endswith("not a value of that size")
