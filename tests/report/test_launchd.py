"""The agent for launchd is a property list that says how to keep our supervisor alive."""

import os
import plistlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.errors import UsageFault
from konivrer_watch.report.launchd import Agent, label, render_agent

NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=40
)


def agent(root: bytes) -> Agent:
    return Agent(
        "src-0123", root, "/opt/venv/bin/python", b"/state/logs/launchd.log", {"KONIVRER_WATCH_WORKERS": "2"}
    )


@given(NAMES)
def test_launchd_runs_our_supervisor_on_any_root(name: str) -> None:
    read = plistlib.loads(render_agent(agent(os.fsencode(f"/{name}"))).encode())
    assert read["ProgramArguments"] == [
        *("/opt/venv/bin/python", "-I", "-m", "konivrer_watch.cli", "_supervise"),
        f"/{name}",
    ]
    assert read["EnvironmentVariables"] == {"KONIVRER_WATCH_WORKERS": "2"}


def test_it_runs_from_login_on_in_the_background_and_again_when_it_ends() -> None:
    read = plistlib.loads(render_agent(agent(b"/src")).encode())
    assert read["Label"] == label("src-0123") == "konivrer-watch.src-0123"
    assert (read["RunAtLoad"], read["KeepAlive"], read["LowPriorityIO"]) == (True, True, True)
    assert read["ProcessType"] == "Background"
    assert read["Nice"] > 0
    assert read["ThrottleInterval"] == 10
    assert read["StandardOutPath"] == read["StandardErrorPath"] == "/state/logs/launchd.log"


@pytest.mark.parametrize("root", [b"/a\nb", b"/a\x00b", b"/a\xff"])
def test_a_path_that_no_list_can_hold_is_refused(root: bytes) -> None:
    with pytest.raises(UsageFault, match="UTF-8"):
        render_agent(agent(root))
