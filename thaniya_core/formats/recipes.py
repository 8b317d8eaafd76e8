"""What is to be done with restored files: the part of RESTORE.txt that a client's task writes.

A recipe is a client's word in a file that an administrator may run as root. So RESTORE.txt shows it as comments only,
and a line is refused that is not one plain line: a line break would end the comment, other control and formatting
characters could show a reader something else than what stands there.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from thaniya_core.errors import WrongUsage

LINE_CHARACTERS = 500
"""Of a recipe's title and of each of its lines, at the most."""

RECIPES_CHARACTERS = 16 * 1024
"""Of all recipes of a backup together, at the most: they are kept in every catalog."""

_INTRODUCTION = """\
#
# What is to be done with the restored files. Whoever made the backup has written what follows: read a command before
# you run it. Run them with sh in the directory that you have restored into."""


class Recipe(Struct, frozen=True):
    """How to get from restored files to what was backed up: a dump back into its database, say."""

    title: str
    """What it is for: `MySQL database shop`."""
    lines: tuple[str, ...]
    """Commands for sh and comments, to be run by a person in the directory that was restored into."""


def check_recipes(recipes: Iterable[Recipe]) -> tuple[Recipe, ...]:
    """Give recipes back when RESTORE.txt may show them.

    Raises:
        WrongUsage: a line is longer than LINE_CHARACTERS or has a character that cannot be printed, or all together are
            longer than RECIPES_CHARACTERS.
    """
    checked = tuple(recipes)
    total = 0
    for recipe in checked:
        for line in (recipe.title, *recipe.lines):
            if not line.isprintable():
                raise WrongUsage(f"a restore recipe has a line with a control character: {line[:100]!r}")
            if len(line) > LINE_CHARACTERS:
                raise WrongUsage(
                    f"a restore recipe has a line of more than {LINE_CHARACTERS} characters: {line[:60]!r}"
                )
            total += len(line) + 1
    if total > RECIPES_CHARACTERS:
        raise WrongUsage(f"the restore recipes have more than {RECIPES_CHARACTERS} characters")
    return checked


def recipe_comments(recipes: Iterable[Recipe]) -> list[str]:
    """The lines of RESTORE.txt that show recipes; each is a comment."""
    lines: list[str] = []
    for recipe in recipes:
        lines += ["#", f"# {recipe.title}:", *(f"#     {line}".rstrip() for line in recipe.lines)]
    return [*_INTRODUCTION.splitlines(), *lines] if lines else []
