from __future__ import annotations

from thaniya_core.system.space import disk_space, free_bytes


def test_space_of_a_disk_is_what_an_ordinary_user_finds(tmp_path):
    space = disk_space(tmp_path)
    assert 0 <= space.free_bytes <= space.total_bytes
    assert abs(space.free_bytes - free_bytes(tmp_path)) < 1024**3
    assert 0 <= space.free_files <= space.total_files
