"""Laws that hold for settings of any content."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.errors import UsageFault
from konivrer_watch.core.model import Pass
from konivrer_watch.core.settings import DEFAULT, KINDS, FailOn, Layer, Spelling, flat, resolve, variable

DAY = 86_400
VALID: dict[str, st.SearchStrategy[object]] = {
    "passes": st.lists(st.sampled_from([str(one) for one in Pass]), min_size=1),
    "fix": st.sampled_from(["off", "auto"]),
    "exclude": st.lists(st.sampled_from(["*.log", "/build/", "!a b"])),
    "debounce_ms": st.integers(0, 1000),
    "debounce_max_ms": st.integers(1000, 600_000),
    "check_interval": st.floats(1, DAY) | st.integers(1, DAY),
    "resource_check_interval": st.integers(1, DAY),
    "resource_threshold": st.integers(70, 100),
    "resource_resume": st.integers(1, 70),
    "heal_interval": st.integers(1, 7 * DAY),
    "pull": st.booleans(),
    "workers": st.just("auto") | st.integers(1, 256),
    "max_file_kb": st.integers(1, 102_400),
    "fix_min_age": st.floats(0, 3600),
    "fix_quiet": st.floats(0, DAY),
    "hook.new_only": st.booleans(),
    "optimize.select": st.lists(st.sampled_from(["OPT101", "OPT2"])),
    "optimize.ignore": st.lists(st.sampled_from(["OPT101", "OPT2"])),
    "optimize.opt_in": st.lists(st.sampled_from(["OPT101", "OPT2"])),
    "source": st.sampled_from(["auto", "inotify", "watchfiles", "poll"]),
    "fail_on": st.sampled_from(get_args(FailOn)),
    "cpu_quota": st.integers(1, 10_000),
    "memory_max": st.integers(64 << 20, 1 << 40) | st.sampled_from(["512M", "1g", "1T"]),
    "log_max_mb": st.integers(1, 10_240),
    "log_keep": st.integers(1, 1000),
    "verify": st.none() | st.sampled_from(["make test", "true"]),
}
valid_tables = st.fixed_dictionaries({}, optional=VALID)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3)
)
names = st.sampled_from([*KINDS, "hook", "optimize"]) | st.text()


def is_refused(name: str, value: object) -> bool:
    try:
        resolve([Layer("here", {name: value})])
    except UsageFault:
        return True
    return False


@given(st.dictionaries(names, anything, max_size=6))
def test_any_table_resolves_or_is_refused_with_each_bad_name(values: dict[str, object]) -> None:
    bad = [name for name, value in values.items() if is_refused(name, value)]
    try:
        resolve([Layer("here", values)])
    except UsageFault as fault:
        lines = str(fault).splitlines()
        assert all(line.startswith("here: ") for line in lines)
        assert len(lines) >= len(bad)
        for name in bad:
            if name and name.isprintable() and len(name) <= 80:
                assert any(line.startswith(f"here: {name}") for line in lines)
    else:
        assert not bad


@given(st.dictionaries(names | st.sampled_from([variable(key) for key in KINDS]), st.text(), max_size=6))
def test_any_text_in_the_environment_or_options_resolves_or_is_refused(values: dict[str, object]) -> None:
    for spelling in (Spelling.ENVIRONMENT, Spelling.OPTIONS):
        try:
            resolve([Layer("there", values, spelling)])
        except UsageFault as fault:
            assert all(line.startswith("there: ") for line in str(fault).splitlines())


@given(valid_tables)
def test_every_allowed_value_is_taken_and_its_origin_kept(values: dict[str, object]) -> None:
    origins = resolve([Layer("here", values)]).origins
    assert origins == {key: "here" if key in values else DEFAULT for key in KINDS}


@given(valid_tables, valid_tables)
def test_the_later_layer_wins(first: dict[str, object], last: dict[str, object]) -> None:
    both = resolve([Layer("pyproject.toml", first), Layer("options", last, Spelling.OPTIONS)])
    merged = resolve([Layer("merged", {**first, **last})])
    assert both.settings == merged.settings
    assert all(both.origins[key] == "options" for key in last)


@given(valid_tables)
def test_effective_settings_resolve_to_themselves(values: dict[str, object]) -> None:
    settings = resolve([Layer("here", values)]).settings
    assert resolve([Layer("again", flat(settings))]).settings == settings


@given(valid_tables)
def test_what_the_environment_says_in_text_is_what_a_file_says_in_types(values: dict[str, object]) -> None:
    texts: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, list):
            texts[variable(key)] = ",".join(value)
        elif value is None:
            texts[variable(key)] = ""
        else:
            texts[variable(key)] = str(value)
    in_text = resolve([Layer("environment", texts, Spelling.ENVIRONMENT)])
    assert in_text.settings == resolve([Layer("file", values)]).settings
