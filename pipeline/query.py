"""SQL over one snapshot: DuckDB, shut off from everything but the rows in it."""

from __future__ import annotations

import contextlib
import posixpath
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import LocalFileSystem

from pipeline import snapshots
from pipeline.options import UsageError
from pipeline.rows import one_line, unique
from schemas.dictionary import FOLDERS, READABLE, comments_of
from schemas.parquet import schema_of
from transforms.files import is_local, list_files, open_file

BATCH_ROWS = 1000

_PARQUET = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=False, use_buffered_stream=True)
)

SETTINGS = {
    "TimeZone": "UTC",
    "python_enable_replacements": False,  # or a name that is no table is looked up among the variables of this process
    "allow_persistent_secrets": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_access": False,
    "lock_configuration": True,
}

_WRONG_SQL = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.DataError,
    duckdb.InvalidTypeException,
    duckdb.NotSupportedError,
    duckdb.ParserException,
    duckdb.PermissionException,
    duckdb.SyntaxException,
)

SENTENCE = 400
"""DuckDB lists every overload of a function that does not fit: more than this is cut."""


class _DataSet(ds.FileSystemDataset):
    """The rows of a data set on any file system, for DuckDB to scan; files are opened when a query wants them.

    DuckDB itself is given no path: what it may read it may also write, by a `copy` inside of a `with`, whatever its
    settings. For buckets it has an extension, which is a download, and fsspec, where several of its threads seek and
    read in one file without a lock, and so get wrong bytes.
    """

    def __init__(self, schema: pa.Schema, paths: Sequence[str]) -> None:
        super().__init__([], schema, _PARQUET)
        self.paths = paths

    def scanner(self, **asked: Any) -> ds.Scanner:
        """A scan of the columns and rows asked for; a column that older files do not have is null in their rows."""
        fragments = [
            _PARQUET.make_fragment(path, filesystem=LocalFileSystem())
            if is_local(path)
            else _PARQUET.make_fragment(open_file(path))
            for path in self.paths
        ]
        # Arrow's defaults hold sixteen row groups: 1,560 MB at the peak for 6.5 GB of text, this 580 MB, as fast
        rows = ds.FileSystemDataset(fragments, self.schema, _PARQUET)
        return rows.scanner(**asked, batch_size=BATCH_ROWS, fragment_readahead=1)


@contextlib.contextmanager
def opened(snapshot: str, manifest: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the data sets of a snapshot as views, and a scratch folder for sorts that outgrow memory.

    What DuckDB raises inside ends as `UsageError` where the query is wrong, else as `OSError`, each in one sentence.
    """
    with tempfile.TemporaryDirectory(prefix="millstream-") as scratch, duckdb.connect(":memory:") as connection:
        for dataset, record_type in READABLE.items():
            files = [file["path"] for file in manifest["files"] if file["path"].startswith(f"{FOLDERS[dataset]}/")]
            paths = tuple(posixpath.join(snapshot, path) for path in files)
            connection.register(dataset, _DataSet(schema_of(record_type), paths))
            connection.execute(comments_of(dataset, "view"))
        for name, value in {"temp_directory": scratch, **SETTINGS}.items():
            connection.execute(f"set {name} = '{value}'")
        try:
            yield connection
        except _WRONG_SQL as error:
            raise UsageError(f"the query is wrong: {_sentence(error)}") from error
        except duckdb.Error as error:
            for problem in snapshots.strayed(list_files(snapshot), manifest):
                raise OSError(f"{snapshot} was changed under the query: {problem}") from error
            raise OSError(f"the query failed: {_sentence(error)}") from error


def _sentence(error: duckdb.Error) -> str:
    """What DuckDB says on one line, with its hint, without the excerpt of the query."""
    text = one_line(str(error).partition("\n\nLINE ")[0])
    return text if len(text) <= SENTENCE else text[:SENTENCE] + "…"


def answer(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], Iterator[Sequence[Any]]]:
    """The columns and, while they come, the rows of a query; neither for a statement that has no result."""
    result: Any = stoppable(connection, connection.execute, sql)
    if result is None:
        raise UsageError("the query is empty: without one, there is an overview")
    if not result.description:
        return [], iter(())
    columns = unique(str(column[0]) for column in result.description)
    batches = iter(lambda: stoppable(connection, result.fetchmany, BATCH_ROWS), [])
    return columns, (row for rows in batches for row in rows)


def stoppable(connection: duckdb.DuckDBPyConnection, work: Callable[..., Any], *arguments: Any) -> Any:
    """What a call of the database gives, stopped by Ctrl-C: DuckDB itself does not look at signals while it works."""
    with ThreadPoolExecutor(1) as thread:
        result = thread.submit(work, *arguments)
        try:
            return result.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise


OVERVIEW = {
    "Rows": """
        select 'documents' as data_set, count(*) as rows, sum(word_count) as words from documents
        union all select 'rejects', count(*), null from rejects
        union all select 'quarantine', count(*), null from quarantine
        union all select 'sources', count(*), null from sources""",
    "Documents by language": """
        select language, count(*) as documents, sum(word_count) as words,
          median(word_count)::bigint as median_words, sum(len(removed)) as lines_cut
        from documents group by language order by documents desc, language limit 20""",
    "Documents by year of publication": """
        select coalesce(year(published_date)::varchar, 'unknown') as year, count(*) as documents,
          min(published_date) as first, max(published_date) as last
        from documents group by year(published_date) order by year(published_date) desc nulls last limit 20""",
    "Documents by host, or folder where no address is known": """
        select coalesce(host, regexp_replace(source_uri, '[^/]*$', '')) as place, count(*) as documents,
          sum(word_count) as words, round(100 * avg(removed_chars / (removed_chars + char_count)), 1) as percent_cut
        from documents group by place order by documents desc, place limit 10""",
    "Rejects by reason": """
        select reason, stage, count(*) as rejects, min(detail) as example
        from rejects group by reason, stage order by rejects desc, reason, stage""",
    "Quarantine by error": """
        select error_class, stage, count(*) as inputs, min(error_message) as example
        from quarantine group by error_class, stage order by inputs desc, error_class, stage""",
    "Largest clusters of duplicates": """
        select left(doc_id, 12) as doc_id, duplicate_count as duplicates, title, source_uri
        from documents where duplicate_count > 0 order by duplicate_count desc, source_uri, member limit 10""",
    "Rules that cut most": """
        select cut.rule, count(*) as lines, count(distinct doc_id) as documents, min(cut.text) as example
        from (select doc_id, unnest(removed) as cut from documents)
        group by cut.rule order by lines desc, cut.rule limit 10""",
}
"""What a first look asks, by its heading."""
