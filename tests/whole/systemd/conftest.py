"""One machine for all that is tried under systemd: to boot it takes longer than most of it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.whole.systemd.container import Container, ContainerFault


@pytest.fixture(scope="package")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A machine that runs systemd; where none boots, its tests are skipped with the reason."""
    with ExitStack() as stack:
        try:
            machine = stack.enter_context(Container(tmp_path_factory.mktemp("container")))
        except ContainerFault as fault:
            pytest.skip(f"no container boots here: {fault}")
        yield machine
