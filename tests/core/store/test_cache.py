"""What is kept of files."""

from __future__ import annotations

from pathlib import Path

from thaniya_core.store.cache import ContentCache

A, B, C = Path("a"), Path("b"), Path("c")


def test_a_content_is_kept_for_its_identity_only():
    cache = ContentCache()
    cache.keep(A, (1, 1, 10), {"slots": {}})
    assert cache.get(A, (1, 1, 10)) == {"slots": {}}
    assert cache.get(A, (1, 2, 10)) is None
    assert cache.get(B, (1, 1, 10)) is None


def test_a_dropped_content_is_gone():
    cache = ContentCache()
    cache.keep(A, (1, 1, 10), {})
    cache.drop(A)
    cache.drop(A)
    assert cache.get(A, (1, 1, 10)) is None


def test_the_content_used_longest_ago_makes_room():
    cache = ContentCache(limit_bytes=25)
    cache.keep(A, (1, 1, 10), {})
    cache.keep(B, (2, 1, 10), {})
    cache.get(A, (1, 1, 10))
    cache.keep(C, (3, 1, 10), {})
    assert cache.get(A, (1, 1, 10)) is not None
    assert cache.get(B, (2, 1, 10)) is None
    assert cache.get(C, (3, 1, 10)) is not None


def test_one_large_content_is_kept_all_the_same():
    cache = ContentCache(limit_bytes=5)
    cache.keep(A, (1, 1, 10), {})
    cache.keep(A, (1, 2, 12), {})
    assert cache.get(A, (1, 2, 12)) is not None


def test_replacing_a_content_frees_the_room_of_the_old_one():
    cache = ContentCache(limit_bytes=25)
    for change in range(5):
        cache.keep(A, (1, change, 10), {})
    cache.keep(B, (2, 1, 10), {})
    assert cache.get(A, (1, 4, 10)) is not None
