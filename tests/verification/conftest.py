"""Place for the meshes of the verification tests."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def meshes(tmp_path_factory: pytest.TempPathFactory):
    """One mesh folder for the session, also for the ranks that ``mpirun`` starts."""
    folder = tmp_path_factory.mktemp("verification_meshes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOSTPLATE_TEST_MESHES", str(folder))
        patch.setenv("HOSTPLATE_CACHE", str(folder / "cache"))
        yield folder
