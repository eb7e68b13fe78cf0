from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.digest import TableDigest

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("raw", pa.binary()),
        ("count", pa.int64()),
        ("score", pa.float32()),
        ("day", pa.date32()),
        ("sure", pa.bool_()),
        ("names", pa.list_(pa.string())),
        ("cut", pa.list_(pa.struct([("rule", pa.string()), ("line", pa.int64())]))),
        ("run_id", pa.string()),
    ]
)
ROW = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(max_size=5),
        "raw": st.none() | st.binary(max_size=3),
        "count": st.none() | st.integers(-5, 5),
        "score": st.none() | st.sampled_from([0.0, 0.5, 1.0]),
        "day": st.none() | st.dates(dt.date(2000, 1, 1), dt.date(2000, 1, 9)),
        "sure": st.none() | st.booleans(),
        "names": st.lists(st.text(max_size=2), max_size=3),
        "cut": st.lists(st.fixed_dictionaries({"rule": st.text(max_size=2), "line": st.integers(0, 3)}), max_size=2),
        "run_id": st.text(max_size=3),
    }
)


def digest(*tables: pa.Table) -> str:
    one = TableDigest()
    for table in tables:
        one.update(table)
    return one.hexdigest()


def table(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, SCHEMA)


def values(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name != "run_id"} for row in rows]


@given(st.lists(ROW, max_size=8), st.data())
def test_the_cut_into_tables_and_slices_leaves_no_trace(rows: list[dict[str, object]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    whole = table(rows)
    assert digest(table(rows[:cut]), table(rows[cut:])) == digest(whole)
    assert digest(whole.slice(0, cut), whole.slice(cut)) == digest(whole)


@given(st.lists(ROW, max_size=4), st.lists(ROW, max_size=4))
def test_other_values_or_another_order_give_another_digest(
    some: list[dict[str, object]], others: list[dict[str, object]]
) -> None:
    assert (digest(table(some)) == digest(table(others))) == (values(some) == values(others))


@pytest.mark.parametrize(
    ("some", "others"),
    [
        ([{"text": None}], [{"text": ""}]),
        ([{"text": "ab"}, {"text": "c"}], [{"text": "a"}, {"text": "bc"}]),
        ([{"names": ["a"]}, {"names": []}], [{"names": []}, {"names": ["a"]}]),
        ([{"count": None}], [{"count": 0}]),
        ([{"text": "a"}], [{"raw": b"a"}]),
    ],
)
def test_values_that_look_alike_are_told_apart(some: list[dict[str, object]], others: list[dict[str, object]]) -> None:
    assert digest(table(some)) != digest(table(others))
