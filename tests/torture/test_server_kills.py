"""A server that dies at many random instants, with clients at work: the long run of tests/system/test_crashes.py."""

import importlib.util
import os
import random
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.torture

KILLS = 300 if os.environ.get("THANIYA_TORTURE") == "1" else 3


def load(name):
    """A module of the system tests; test modules have no package to import them from."""
    spec = importlib.util.spec_from_file_location(f"system_{name}", Path(__file__).parents[1] / "system" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


system = load("conftest")
crashes = load("test_crashes")
key_directory, new_box, box = system.key_directory, system.new_box, system.box


@pytest.mark.parametrize("seed", range(100, 102))
def test_server_killed_at_many_random_instants(box, tmp_path, seed):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "data").write_bytes(random.Random(seed).randbytes(2_000_000))
    told = crashes.kill_the_server_again_and_again(box, tree, KILLS, seed=seed)
    crashes.check_what_is_left(box, tree, told)
