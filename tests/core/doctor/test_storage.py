"""State, volumes, disks and the service."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.doctor.finding import Level
from thaniya_core.doctor.storage import (
    check_file_systems,
    check_service,
    check_space,
    check_state,
    check_volumes,
    find_holder,
    judge_space,
)
from thaniya_core.model import Slot, SlotState
from thaniya_core.store import TinyStore
from thaniya_core.system.space import DiskSpace

MARGIN = 1024**3


def levels(findings):
    return [finding.level for finding in findings]


def test_state_is_counted(installed):
    (finding,) = check_state(installed)

    assert finding.what.endswith("2 slots, 0 users, 1 volumes")


def test_missing_state_is_told(subject):
    assert levels(check_state(subject)) == [Level.FAIL]
    assert not subject.config.paths.state.exists()


def test_degraded_slot_is_told_with_its_reset(installed):
    with installed.store.transaction() as state:
        state.slots.put(Slot("thaniya_01", SlotState.DEGRADED, reason="cannot be cleaned"))

    assert [finding.cure for finding in check_state(installed)] == ["", "thaniya slot reset thaniya_01"]


def test_volume_whose_disk_is_not_mounted_is_told(installed):
    (finding,) = check_volumes(installed)

    assert "not be mounted" in finding.what


@pytest.mark.parametrize(
    ("space", "level"),
    [
        (DiskSpace(MARGIN, MARGIN, 0, 0), Level.OK),
        (DiskSpace(MARGIN, MARGIN - 1, 0, 0), Level.FAIL),
        (DiskSpace(MARGIN, MARGIN, 50_000, 20_000), Level.OK),
        (DiskSpace(MARGIN, MARGIN, 50_000, 9_999), Level.WARN),
    ],
)
def test_room_is_compared_with_the_margin(space, level):
    assert judge_space("slots", Path("/srv"), space, MARGIN).level is level


def test_each_disk_is_told_once(installed):
    assert len(list(check_space(installed))) == 1


def test_one_file_system_for_all_is_noted(installed):
    (finding,) = check_file_systems(installed)

    assert "no upload is copied" in finding.what


LOCKS = """\
1: POSIX  ADVISORY  READ 11 fd:01:77 0 EOF
2: FLOCK  ADVISORY  WRITE 4711 fd:01:77 0 EOF
2: -> FLOCK  ADVISORY  WRITE 4712 fd:01:78 0 EOF
"""


@pytest.mark.parametrize(("inode", "pid"), [(77, "4711"), (78, ""), (7, "")])
def test_holder_of_a_lock_is_found_in_the_kernels_list(inode, pid):
    assert find_holder(LOCKS, inode) == pid


def test_service_that_holds_its_lock_is_seen_without_taking_it(server, subject):
    seen = replace(subject, config=server.config)
    assert levels(check_service(seen)) == [Level.FAIL]

    with server.as_service():
        assert levels(check_service(seen)) == [Level.OK]


def test_cron_instead_of_a_service_is_accepted(installed):
    installed.installation.cron.touch()

    assert levels(check_service(installed)) == [Level.OK]


def test_broken_state_is_told_by_the_examination(installed):
    from thaniya_core.doctor.examination import Check, examine

    (installed.config.paths.state / "state.json").write_text("{")
    broken = replace(installed, store=TinyStore(installed.config.paths.state))

    (finding,) = examine(broken, [Check("state", check_state)])

    assert finding.level is Level.FAIL
    assert "repair it" in finding.cure
