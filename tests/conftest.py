"""What every test relies on: no deadline for slow machines, and state that is nobody's."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep verdicts of one test from answering another's questions, and the user's configuration out of all."""
    home: Path = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("KONIVRER_WATCH_STATE_DIR", str(home / "state"))
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run an async test on both event loops."""
    backend: str = request.param
    return backend
