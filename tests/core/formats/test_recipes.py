"""What RESTORE.txt shows of a client's recipes, however hostile the client."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.errors import IntegrityFailed, WrongUsage
from thaniya_core.formats.documents import encode_restore
from thaniya_core.formats.manifest import (
    BackupDocument,
    Manifest,
    SumsBy,
    check_document,
    check_manifest,
    make_document,
)
from thaniya_core.formats.names import Series, id_time
from thaniya_core.formats.recipes import Recipe, check_recipes

ID = "20261123T211500Z-7f3a2c"


def document(*recipes: Recipe) -> BackupDocument:
    now = id_time(ID)
    return make_document(
        Series("alice", "web1", "nightly"),
        ID,
        (),
        Manifest((), recipes=recipes),
        sums_by=SumsBy.CLIENT,
        created_at=now,
        completed_at=now,
        archived_at=now,
    )


def test_recipes_follow_the_ordinary_commands_as_comments() -> None:
    text = encode_restore(document(Recipe("database shop", ("gzip -dc ./shop.sql.gz | mariadb shop",)))).decode()
    _, _, after = text.partition("sha256sum -c SHA256SUMS\n")
    assert "# database shop:\n#     gzip -dc ./shop.sql.gz | mariadb shop\n" in after
    assert all(line.startswith("#") for line in after.splitlines())


def test_a_backup_without_recipes_says_nothing_of_them() -> None:
    assert "What is to be done" not in encode_restore(document()).decode()


@pytest.mark.parametrize("sign", ["\n", "\r", "\0", "\x1b", "\x85", "\u2028", "\u202e", "\ud800", "\t", "\v"])
def test_a_line_that_is_more_than_one_plain_line_is_refused(sign: str) -> None:
    for recipe in (Recipe("title", (f"true{sign}reboot",)), Recipe(f"title{sign}reboot", ())):
        with pytest.raises(WrongUsage, match="control character"):
            check_manifest(Manifest((), recipes=(recipe,)))
        with pytest.raises(IntegrityFailed):
            check_document(document(recipe), "backup.json")


def test_a_flood_of_recipes_is_refused() -> None:
    with pytest.raises(WrongUsage, match="more than 500 characters"):
        check_recipes([Recipe("title", ("x" * 501,))])
    with pytest.raises(WrongUsage, match="more than 16384 characters"):
        check_recipes([Recipe("title", ("x" * 500,) * 40)])
    with pytest.raises(WrongUsage, match="more than 16384 characters"):
        check_recipes([Recipe("", ("",) * 20_000)])


@given(st.lists(st.text(max_size=40), max_size=5))
def test_no_recipe_that_is_accepted_gets_out_of_its_comment(lines: list[str]) -> None:
    recipe = Recipe("title", tuple(lines))
    try:
        check_recipes([recipe])
    except WrongUsage:
        return
    plain = encode_restore(document()).decode().split("\n")
    shown = encode_restore(document(recipe)).decode().split("\n")
    assert [line for line in shown if not line.startswith("#")] == [line for line in plain if not line.startswith("#")]


def test_documents_of_earlier_versions_have_none() -> None:
    written = msgspec.to_builtins(document())
    del written["recipes"]
    assert msgspec.convert(written, BackupDocument).recipes == ()
