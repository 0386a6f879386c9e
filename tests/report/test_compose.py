"""What is handed to compose for one root."""

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from konivrer_watch.core.settings import Settings
from konivrer_watch.report.compose import Mount, Stack, override, path_fault, project_name, variables

STACK = Stack(project="p", image="i:1", root="/r/sub", tree="/r", state="/s", home="/h", uid=1000, gid=100)


@given(st.text(), st.text("0123456789abcdef", min_size=12, max_size=12))
def test_a_project_name_is_one_for_compose_and_keeps_the_roots_mark(name: str, mark: str) -> None:
    assert re.fullmatch(rf"[a-z0-9][a-z0-9_-]*-{mark}", project_name(f"{name}-{mark}"))


@pytest.mark.parametrize("path", ["/a b", "/ä", "/it's", '/"', "/$HOME", "/a,b", "/#", "/-"])
def test_paths_with_signs_of_their_own_can_be_mounted(path: str) -> None:
    assert path_fault(path) is None


@pytest.mark.parametrize("path", ["/", "/a:b", "/a\nb", "/\x1b", "/\udcff"])
def test_a_path_that_cannot_be_mounted_in_its_place_is_refused_with_the_reason(path: str) -> None:
    assert path_fault(path)


@pytest.mark.parametrize(
    ("quota", "cpus", "promised"), [(50, 4, "0.5"), (400, 2, "2"), (100, 1, "1"), (1, 8, "0.01")]
)
def test_no_more_processors_are_promised_than_there_are(quota: int, cpus: int, promised: str) -> None:
    assert variables(STACK, Settings(cpu_quota=quota), cpus)["WATCH_CPUS"] == promised


def test_the_settings_become_limits() -> None:
    named = variables(STACK, Settings(memory_max=1 << 30, check_interval=1.5), 2)
    assert (named["WATCH_MEMORY"], named["WATCH_INTERVAL"]) == (str(1 << 30), "1500ms")
    assert (named["WATCH_UID"], named["WATCH_GID"]) == ("1000", "100")
    assert (named["WATCH_ROOT"], named["WATCH_TREE"]) == ("/r/sub", "/r")


@given(st.text(), st.text())
def test_what_is_on_top_survives_composes_interpolation(path: str, value: str) -> None:
    text = override(
        msgspec.structs.replace(STACK, mounts=[Mount(path)], environment={"KONIVRER_WATCH_EXCLUDE": value})
    )
    services = json.loads(text)["services"]
    assert set(services) == {"watch", "monitor"}
    for service in services.values():
        assert service["environment"]["KONIVRER_WATCH_EXCLUDE"] == value.replace("$", "$$")
    (mount,) = services["watch"]["volumes"]
    assert mount["source"] == mount["target"]
    assert mount["source"] == path.replace("$", "$$")
    assert mount["read_only"] is True
