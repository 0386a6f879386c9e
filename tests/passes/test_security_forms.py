from pathlib import Path

import pytest

from konivrer_watch.core.model import ProblemKind
from tests.passes.security_sources import WHOLE, ask_bandit, codes, engine

# bandit's B703 builds nodes without their fields; Python 3.13 warns of it, which bandit's user never sees.
pytestmark = pytest.mark.filterwarnings("ignore:.*missing 1 required positional:DeprecationWarning")

CONFIGS = (
    "skips: [B101, B404, B607]",
    "tests: [B101, B301, B403]",
    "tests: [B001]",
    "skips: [B001]",
    "skips: [assert_used, B999]",
    "assert_used: {skips: ['*/a.py']}",
    "hardcoded_tmp_directory: {tmp_dirs: [/bin]}",
    "try_except_pass: {check_typed_exception: true}",
    "shell_injection: {subprocess: [other], shell: [], no_shell: [f]}",
    "markupsafe_xss: {extend_markup_names: [eval]}",
    "weak_cryptographic_key: {weak_key_size_rsa_high: 1}",
    "ssl_with_bad_version: {bad_protocol_versions: [x]}",
    "shell_injection: {shell: []}",
)


@pytest.mark.parametrize("config", CONFIGS)
def test_every_form_of_configuration_judges_as_bandit(config: str, tmp_path: Path) -> None:
    import yaml

    (tmp_path / "bandit.yaml").write_text(config, "utf-8")
    settings = yaml.safe_load(config)
    selection = {"include": set(settings.get("tests", [])), "exclude": set(settings.get("skips", []))}
    issues, silenced, skipped, faults = ask_bandit(
        WHOLE, config=str(tmp_path / "bandit.yaml"), profile=selection
    )
    verdict = engine(yaml=config).judge(b"a.py", WHOLE)
    assert not skipped
    assert sorted(
        (i["line_number"], i["test_id"], i["issue_severity"], i["issue_text"]) for i in issues
    ) == sorted((f.line, f.code, f.severity, f.message) for f in verdict.findings)
    assert verdict.suppressed == silenced
    assert (verdict.problem is not None) == bool(faults)


def test_table_yaml_and_ini_say_the_same() -> None:
    table = codes(engine(toml="[tool.bandit]\nskips = ['B101']\n"))
    assert table == codes(engine(yaml="skips: [B101]")) == codes(engine(ini="[bandit]\nskips = B101\n"))
    assert (len(table), "B101") < (len(codes(engine(yaml="{}"))), "B101")


def test_the_ini_file_adds_to_the_other() -> None:
    both = engine(ini="[bandit]\nskips = B102\n", yaml="skips: [B101]")
    assert {code for _, code in codes(engine(yaml="{}"))} - {code for _, code in codes(both)} == {
        "B101",
        "B102",
    }


def test_ignore_nosec_lets_everything_through() -> None:
    data = b"eval(x)  # nosec\n"
    assert codes(engine(yaml="{}"), data) == []
    assert codes(engine(ini="[bandit]\nignore-nosec = true\n"), data) == [(1, "B307")]


def test_a_legacy_profile_selects() -> None:
    config = "profiles: {mine: {include: [exec_used, assert_used], exclude: [assert_used]}}"
    judge = engine(ini="[bandit]\nprofile = mine\n", yaml=config)
    assert judge.judge(b"a.py", b"").problem is not None
    judge = engine(ini="[bandit]\nprofile = mine\n", yaml="profiles: {mine: {include: [exec_used]}}")
    assert {code for _, code in codes(judge)} == {"B102"}


@pytest.mark.parametrize(
    ("ini", "yaml", "words"),
    [
        ("", "tests: [B999]", "no tests would be run"),
        ("[bandit]\nprofile = other\n", "profiles: {mine: {include: [B101]}}", "other"),
        ("", "profiles: {mine: {include: [blacklist_calls]}}", "legacy test 'blacklist_calls'"),
        ("", "profiles: 3", "values"),
    ],
)
def test_what_bandit_refuses_is_a_problem_of_every_file(ini: str, yaml: str, words: str) -> None:
    judge = engine(yaml=yaml, **({"ini": ini} if ini else {}))
    verdict = judge.judge(b"a.py", b"eval(x)\n")
    assert verdict.problem is not None and verdict.problem.kind is ProblemKind.CONFIGURATION
    assert words in verdict.problem.message
    assert verdict.findings == ()
