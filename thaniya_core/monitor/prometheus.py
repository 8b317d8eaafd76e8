"""Prometheus' text format, version 0.0.4: metric families as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from msgspec import Struct

Value = int | float | bool | datetime


class Gauge(Struct, frozen=True):
    """A metric family of type gauge: samples by their labels."""

    name: str
    help: str
    samples: tuple[tuple[Mapping[str, str], Value], ...]


def exposition(gauges: Iterable[Gauge]) -> str:
    """The families in their order, each with its samples in the order of their labels. One without samples is left out.

    Times become seconds since 1970.
    """
    return "".join(f"{line}\n" for gauge in gauges if gauge.samples for line in _lines(gauge))


def _lines(gauge: Gauge) -> Iterator[str]:
    yield f"# HELP {gauge.name} {_escape(gauge.help)}"
    yield f"# TYPE {gauge.name} gauge"
    for labels, value in sorted(gauge.samples, key=lambda sample: tuple(sample[0].items())):
        pairs = ",".join(f'{name}="{_escape_label(text)}"' for name, text in labels.items())
        yield f"{gauge.name}{{{pairs}}} {_number(value)}" if pairs else f"{gauge.name} {_number(value)}"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _escape_label(text: str) -> str:
    return _escape(text).replace('"', r"\"").encode("utf-8", "backslashreplace").decode()


def _number(value: Value) -> str:
    if isinstance(value, datetime):
        return repr(round(value.timestamp(), 3))
    return repr(int(value)) if isinstance(value, bool) else repr(value)
