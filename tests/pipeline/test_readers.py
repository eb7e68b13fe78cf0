"""What DuckDB, Polars, pandas and pyarrow see of a snapshot: full, and with empty data sets."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from schemas.parquet import DATASETS, schema_of
from tests.pipeline.running import corpus, prose, run


def query(sql: str) -> duckdb.DuckDBPyRelation:
    relation = duckdb.sql(sql)
    assert relation is not None
    return relation


@pytest.fixture(scope="module", params=["full", "nothing rejected", "nothing kept"])
def snapshot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readers")
    inputs = corpus(folder / "in")
    if request.param != "full":
        shutil.rmtree(inputs)
        inputs.mkdir()
        text = prose(1) if request.param == "nothing rejected" else ""
        (inputs / "one.txt").write_text(text)
    run(inputs, output=folder / "out")
    return (folder / "out/latest").resolve()


@pytest.mark.parametrize("dataset", DATASETS)
def test_each_data_set_is_read_alike_by_duckdb_polars_pandas_and_pyarrow(snapshot: Path, dataset: str) -> None:
    expected = schema_of(DATASETS[dataset]).names
    table = ds.dataset(snapshot / dataset, format="parquet").to_table()
    assert table.schema.names == expected
    ids = sorted(table["doc_id"].to_pylist())
    relation = query(f"select * from read_parquet('{snapshot}/{dataset}/**/*.parquet', hive_partitioning=false)")
    assert relation.columns == expected
    assert sorted(row[0] for row in relation.select("doc_id").fetchall()) == ids
    frame = pl.read_parquet(f"{snapshot}/{dataset}/**/*.parquet", hive_partitioning=False)
    assert frame.columns == expected
    assert sorted(frame["doc_id"].to_list()) == ids
    assert sorted(pd.read_parquet(snapshot / dataset)["doc_id"]) == ids


def test_the_folder_as_a_whole_and_one_language_alone(snapshot: Path) -> None:
    everything = f"select count(*) from read_parquet('{snapshot}/*/**/*.parquet', union_by_name=true, filename=true)"
    data_sets = "where filename not like '%/state/%'"
    ((found,),) = query(f"{everything} {data_sets}").fetchall()
    assert found == sum(ds.dataset(snapshot / name, format="parquet").count_rows() for name in DATASETS)
    partitioned = ds.dataset(snapshot / "documents", format="parquet", partitioning="hive").to_table()
    assert partitioned["lang"].to_pylist() == partitioned["language"].to_pylist()


def test_the_columns_describe_themselves(snapshot: Path) -> None:
    for dataset in DATASETS:
        schema = ds.dataset(snapshot / dataset, format="parquet").schema
        assert all(field.metadata[b"description"] == field.metadata[b"doc"] != b"" for field in schema)


def test_files_are_compressed_indexed_checksummed_and_sorted(snapshot: Path) -> None:
    for path in (snapshot / "documents").rglob("*.parquet"):
        metadata = pq.read_metadata(path)
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            assert group.column(0).compression == "ZSTD"
            assert group.column(0).has_offset_index
            assert [column.column_index for column in group.sorting_columns] == [1]
        pq.read_table(path, page_checksum_verification=True)


def test_a_flipped_bit_is_found_by_the_page_checksum(tmp_path: Path) -> None:
    run(corpus(tmp_path / "in"), output=tmp_path / "out")
    path = next((tmp_path / "out/latest/documents").rglob("*.parquet"))
    column = pq.read_metadata(path).row_group(0).column(0)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(OSError, match="checksum"):
        pq.read_table(path, page_checksum_verification=True)
