"""Fixtures that several tests share. Eight virtual CPU devices stand in for a TPU or GPU host."""

import os
import shutil
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# One thread a product: threads that wait for each other make small ones ten times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import jax
import pytest
from hypothesis import settings

# The suite draws the same examples each time; `--hypothesis-profile=explore` looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=3_000, deadline=None)
settings.load_profile("same")

jax.config.update("jax_num_cpu_devices", 8)

MOST_MAPS = 30_000
REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that no process waits at the end for another's long ones."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds setup.py."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of released rationales and fixtures that stands beside the repository."""
    folder = Path(os.environ.get("COTJAX_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data" / "README.md").exists():
        if os.environ.get("COTJAX_REQUIRE_SHARED"):
            pytest.fail(f"{folder} is missing, and COTJAX_REQUIRE_SHARED forbids skipping")
        pytest.skip(f"no shared data at {folder}")
    return folder


@pytest.fixture(scope="session")
def titler_folder(tmp_path_factory) -> Path:
    """A Hugging Face folder with real pretrained weights of Flan-T5-small's shape (77 M)."""
    from tests.titler import make_titler_folder

    folder = tmp_path_factory.mktemp("titler")
    yield make_titler_folder(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module", autouse=True)
def let_programs_go():
    """Forgets compiled programs when they are many: Linux allows a process 65,530 memory maps."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and len(maps.read_bytes().splitlines()) > MOST_MAPS:
        jax.clear_caches()


@pytest.fixture(scope="module")
def quick_to_compile():
    """Spares most of the time to compile programs that run for milliseconds."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
