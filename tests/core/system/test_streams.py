"""Streams that count and sum on the way."""

from __future__ import annotations

import hashlib
import io

from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.system.streams import HashingWriter


@given(st.lists(st.binary()))
def test_writer_passes_everything_on_and_keeps_sum_and_number(chunks):
    target = io.BytesIO()
    writer = HashingWriter(target)

    for chunk in chunks:
        assert writer.write(chunk) == len(chunk)

    whole = b"".join(chunks)
    assert target.getvalue() == whole
    assert (writer.sha256, writer.size_bytes) == (hashlib.sha256(whole).hexdigest(), len(whole))
