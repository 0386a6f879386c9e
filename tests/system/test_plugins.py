"""Which plugins are installed, compared with what the standard library says."""

import sys
from importlib import metadata
from pathlib import Path

import pytest

from konivrer_watch.passes.security.profile import PLUGIN_GROUP, engine_fingerprint
from konivrer_watch.system.plugins import entry_points


def fingerprint() -> bytes:
    return engine_fingerprint(entry_points(PLUGIN_GROUP))


def install(folder: Path, name: str, group: str) -> None:
    """Put a distribution's information where an installer would."""
    information = folder / f"{name}.dist-info"
    information.mkdir(parents=True)
    (information / "entry_points.txt").write_text(f"[{group}]\nmore = more:check\n", "utf-8")


def test_the_distributions_found_are_those_that_the_standard_library_names() -> None:
    groups = ("bandit.plugins", "bandit.blacklists")
    named = {
        (entry.dist.name.lower(), entry.dist.version)
        for group in groups
        for entry in metadata.entry_points(group=group)
        if entry.dist is not None
    }
    found = {tuple(name.rpartition(".")[0].lower().split("-")[:2]) for name, _ in entry_points(PLUGIN_GROUP)}
    assert ("bandit", metadata.version("bandit")) in found
    assert found == named


def test_the_fingerprint_follows_plugins_and_versions_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = fingerprint()
    install(tmp_path / "one", "other-1.0", "console_scripts")
    monkeypatch.setattr("sys.path", [*sys.path, str(tmp_path / "one"), str(tmp_path / "gone")])
    assert fingerprint() == before
    install(tmp_path / "one", "more-1.0", "bandit.plugins")
    with_plugin = fingerprint()
    assert with_plugin != before
    (tmp_path / "one" / "more-1.0.dist-info").rename(tmp_path / "one" / "more-1.1.dist-info")
    assert fingerprint() not in {before, with_plugin}
