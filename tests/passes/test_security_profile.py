import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from bandit.core import constants

from konivrer_watch.passes.security.profile import (
    DEFAULT_EXCLUDE,
    SecurityProfile,
    also_reads,
    load_profile,
)
from tests.passes.security_sources import PACK


def test_a_root_without_configuration_gets_our_pack() -> None:
    for files in ({}, {"pyproject.toml": b"[tool.other]\nx = 1\n"}, {"pyproject.toml": b"# bandit\n"}):
        profile = load_profile(files, PACK)
        assert profile.own and profile.config == PACK


def test_the_pack_leaves_out_no_files_and_names_those_we_count_by_default() -> None:
    import yaml

    pack = yaml.safe_load(PACK)
    assert "exclude_dirs" not in pack
    assert tuple(pack["include"]) == load_profile({}, PACK).include


def test_default_excludes_are_bandits() -> None:
    assert constants.EXCLUDE == DEFAULT_EXCLUDE


@pytest.mark.parametrize(
    ("files", "config"),
    [
        ({"pyproject.toml": b"[tool.bandit]\nskips = ['B101']\n"}, {"skips": ["B101"]}),
        ({"pyproject.toml": b"[tool.bandit]\n"}, {}),
        ({"bandit.yml": b"skips: [B101]\n"}, {"skips": ["B101"]}),
        ({"bandit.yaml": b"tests: [B102]\n", "bandit.yml": b"skips: [B101]\n"}, {"tests": ["B102"]}),
        ({"bandit.yaml": b"tests: [B102]\n", "pyproject.toml": b"[tool.bandit]\nx=1"}, {"tests": ["B102"]}),
        ({"bandit.yaml": b"tests: [B102]\n", "pyproject.toml": b"bandit = ["}, {"tests": ["B102"]}),
        ({".bandit": b"[bandit]\nskips = B101\n"}, None),
        ({".bandit": b"[bandit]\nconfigfile = my.yml\n", "my.yml": b"{a: 1}", "bandit.yaml": b"{b: 1}"}, {"a": 1}),
        ({".bandit": b"[bandit]\nconfigfile=a.toml\n", "a.toml": b"[tool.bandit]\na=1"}, {"a": 1}),
        ({".bandit": b"[bandit]\n", "bandit.yaml": b"a: [1, 2.5, true, null]"}, {"a": [1, 2.5, True, None]}),
    ],
)  # fmt: skip
def test_one_configuration_file_is_chosen(files: dict[str, bytes], config: object) -> None:
    profile = load_profile(files, PACK)
    assert not profile.own
    assert (None if profile.config is None else msgspec.json.decode(profile.config)) == config


def test_the_ini_file_gives_what_bandit_takes_from_it() -> None:
    ini = b"[bandit]\ntests = B101,B102\nskips = B404\nexclude = a,*/b/*\nignore-nosec = yes\ntargets = x\n"
    profile = load_profile({".bandit": ini}, PACK)
    assert profile == SecurityProfile(
        own=False, tests=("B101", "B102"), skips=("B404",), ignore_nosec=True, exclude=("a", "*/b/*")
    )
    assert also_reads({".bandit": ini}) == ()
    assert also_reads({".bandit": b"[bandit]\nconfigfile: etc/b.yaml\n"}) == ("etc/b.yaml",)
    assert also_reads({"bandit.yaml": b""}) == ()


BOMB = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 10)) for name in range(98, 110)
)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"bandit.yaml": b"a: [\n"}, "bandit.yaml: not valid YAML: while parsing"),
        ({"bandit.yaml": b"a: \xff\n"}, "bandit.yaml: not valid YAML"),
        ({"bandit.yaml": b""}, "bandit.yaml: must be a mapping of options, and is NoneType"),
        ({"bandit.yaml": b"- B101\n"}, "bandit.yaml: must be a mapping of options, and is list"),
        ({"bandit.yaml": b"a: 2024-13-45\n"}, "bandit.yaml: not valid YAML: month must be"),
        ({"bandit.yaml": b"a: !!python/object:os.system {}\n"}, "bandit.yaml: not valid YAML"),
        ({"bandit.yaml": b"[" * 5000}, "bandit.yaml: not valid YAML"),
        ({"bandit.yaml": b"a: &a [*a]\n"}, "bandit.yaml: holds too many values or nests too deeply"),
        ({"bandit.yaml": BOMB}, "bandit.yaml: holds too many values or nests too deeply"),
        ({"bandit.yaml": b"a: %d\n" % 2**80}, "bandit.yaml: holds a number of 81 bits"),
        ({"bandit.yaml": b'a: "\\uD800"\n'}, "bandit.yaml: holds text that is not Unicode"),
        ({"bandit.yaml": b"skips: B101\n"}, "bandit.yaml: skips must be a list of text"),
        ({"bandit.yaml": b"tests: [101]\n"}, "bandit.yaml: tests must be a list of text"),
        ({"bandit.yaml": b"exclude_dirs: tests\n"}, "bandit.yaml: exclude_dirs must be a list of text"),
        ({"bandit.yaml": b"include: '*.py'\n"}, "bandit.yaml: include must be a list of text"),
        ({"bandit.yaml": b"{skips: [B1, B2], tests: [B2]}"}, "bandit.yaml: B2 both in tests and in skips"),
        ({"pyproject.toml": b"[tool.bandit\n"}, "pyproject.toml: not valid TOML"),
        ({"pyproject.toml": b"# bandit \xff\n"}, "pyproject.toml: not valid TOML"),
        ({"pyproject.toml": b"tool = 'bandit'\n"}, "pyproject.toml: tool must be a table"),
        ({"pyproject.toml": b"tool.bandit = 1\n"}, "[tool.bandit]: must be a mapping"),
        ({".bandit": b"skips: [B101]\n"}, ".bandit: not an ini file with a [bandit] section"),
        ({".bandit": b"[other]\n"}, ".bandit: not an ini file with a [bandit] section"),
        ({".bandit": b"[bandit]\na = %(b)s\n"}, ".bandit: not an ini file with a [bandit] section"),
        ({".bandit": b"[bandit]\na = \xff\n"}, ".bandit: not an ini file with a [bandit] section"),
        ({".bandit": b"[bandit]\nconfigfile = no.yaml\n"}, ".bandit: configfile no.yaml cannot be read"),
        ({".bandit": b"[bandit]\nbaseline = b.json\n"}, ".bandit: baseline is not supported"),
        ({".bandit": b"[bandit]\nlevel = 2\n"}, ".bandit: level is not supported"),
        ({".bandit": b"[bandit]\ntests=B1\nskips=B1\n"}, ".bandit: B1 both in tests and in skips"),
    ],
)
def test_a_fault_is_named_with_its_file(files: dict[str, bytes], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        load_profile(files, PACK)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["a: [", "", "- B101", "a: 2024-13-45", "tests: [101]", "exclude_dirs: tests"]
)
def test_bandit_itself_fails_on_what_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "bandit.yaml").write_text(text, "utf-8")
    (tmp_path / "a.py").write_text("eval(x)\n", "utf-8")
    command = [sys.executable, "-I", "-m", "bandit", "-q", "-r", ".", "-c", "bandit.yaml", "-f", "json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode and not done.stdout


def test_the_digest_follows_what_changes_verdicts_and_nothing_else() -> None:
    def digest(text: str) -> bytes:
        return load_profile({"pyproject.toml": text.encode()}, PACK).digest

    base = digest("[tool.bandit]\nskips = ['B101']\n")
    assert digest("[tool.ruff]\nx = 1\n[tool.bandit]\n# why\nskips = [ 'B101' ]\n") == base
    assert digest("[tool.bandit]\nskips = ['B101']\nexclude_dirs = ['a']\ninclude = ['*.py']\n") == base
    assert digest("[tool.bandit]\nskips = ['B102']\n") != base
    assert digest("[tool.bandit]\nskips = ['B101']\nassert_used.skips = ['x']\n") != base
    others = [
        load_profile({}, PACK),
        load_profile({}, PACK + b"#"),
        load_profile({".bandit": b"[bandit]\nskips=B101"}, PACK),
        load_profile({".bandit": b"[bandit]\ntests=B101"}, PACK),
        load_profile({".bandit": b"[bandit]\nignore-nosec=1"}, PACK),
        load_profile({".bandit": b"[bandit]\nprofile=x"}, PACK),
    ]
    assert len({base, *(profile.digest for profile in others)}) == 1 + len(others)


def test_a_profile_crosses_a_process_boundary() -> None:
    files = {
        ".bandit": b"[bandit]\nskips = B1\nexclude = a,b\n",
        "bandit.yaml": b"assert_used: {skips: ['*']}\n",
    }
    for profile in (load_profile(files, PACK), load_profile({}, PACK)):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(profile), type=SecurityProfile) == profile


def test_neither_bandit_nor_yaml_is_imported_for_a_root_without_configuration() -> None:
    program = (
        "import sys; from konivrer_watch.passes.security.profile import load_profile;"
        "load_profile({'pyproject.toml': b'[project]'}, b'').digest;"
        "print([name for name in ('bandit', 'yaml', 'tomllib', 'configparser') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
