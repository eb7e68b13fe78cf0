"""What millstream is measured against: the plain scripts that a good engineer would write, a process pool and no Beam.

    python benchmarks/plain_scripts.py same|defaults PAGES_FOLDER OUTPUT_FOLDER [--workers 2]

`same` takes millstream's steps on a page, with their libraries and settings, and finds duplicates in memory: no limits
on a page, no account of what became of it, no counts of recurring lines or shared paragraphs. `defaults` is what one
would write from the libraries' own pages: trafilatura with metadata, langdetect, datasketch, each with its defaults.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
from pathlib import Path
from typing import Any

SHINGLE_WORDS, SIMILARITY = 3, 0.8


def same(pages: Path, output: Path, workers: int) -> None:
    """Millstream's steps: clean every file in a pool, find duplicates in memory, write one Parquet file."""
    import numpy as np
    import pyarrow.parquet as pq

    from schemas.parquet import to_table
    from schemas.records import Cleaned, Document
    from transforms.text import clean  # noqa: F401  # before the workers are forked, which share what is loaded
    from transforms.text.duplicates import KEYED, Fingerprints, candidate_pairs, resolve
    from transforms.text.fingerprint import SIGNATURE_BYTES, candidate_keys

    with multiprocessing.get_context("fork").Pool(workers) as pool:
        results = pool.imap(clean_file, sorted(map(str, pages.iterdir())), chunksize=4)
        cleaned = [result for result in results if isinstance(result, Cleaned)]
    keyed = []
    for number, item in enumerate(cleaned):
        marks = item.fingerprint
        keyed += [(key, number, 0) for key in candidate_keys(marks.exact, marks.signature, marks.address).tolist()]

    def look_up(numbers: np.ndarray) -> Fingerprints:
        found = [cleaned[int(number)].fingerprint for number in numbers]
        signatures = b"".join(each.signature or bytes(SIGNATURE_BYTES) for each in found)
        return Fingerprints(
            exact=np.frombuffer(b"".join(each.exact for each in found), "u1").reshape(-1, 16),
            signature=np.frombuffer(signatures, "u1").reshape(-1, SIGNATURE_BYTES),
            has_signature=np.array([each.signature is not None for each in found], bool),
            tokens=np.array([each.token_count for each in found], "u4"),
            address=np.array([each.address for each in found], "u8"),
            rank=np.zeros(len(found), "u4"),
        )

    losers = set(resolve(candidate_pairs(np.array(keyed, KEYED)), look_up)["document"].tolist())
    kept = [item.document for number, item in enumerate(cleaned) if number not in losers]
    pq.write_table(to_table(Document, kept), output / "documents.parquet", compression="zstd", compression_level=6)


def clean_file(path: str) -> object:
    """What becomes of one file; None when it fails."""
    from schemas.records import InputError, RawRecord
    from transforms.formats.read import Columns, InputFile, ReadLimits, read_records
    from transforms.text.clean import clean
    from transforms.text.cleaning_options import CleaningOptions

    try:
        with open(path, "rb") as stream:
            (record,) = read_records(stream, InputFile(path), ReadLimits(), Columns())
        return clean(record, CleaningOptions()) if isinstance(record, RawRecord) else None
    except InputError:
        return None


def defaults(pages: Path, output: Path, workers: int) -> None:
    """The libraries' defaults: extract every file in a pool, drop near duplicates, write one Parquet file."""
    import langdetect  # noqa: F401  # before the workers are forked, as the next
    import pyarrow as pa
    import pyarrow.parquet as pq
    import trafilatura  # noqa: F401
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=SIMILARITY)
    kept = []
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        for row, marks in filter(None, pool.imap(extract_file, sorted(map(str, pages.iterdir())), chunksize=4)):
            if not index.query(marks):
                index.insert(row["id"], marks)
                kept.append(row)
    pq.write_table(pa.Table.from_pylist(kept), output / "documents.parquet", compression="zstd", compression_level=6)


def extract_file(path: str) -> tuple[dict[str, Any], Any] | None:
    """The row of one file and its MinHash; None when nothing was found in it."""
    import langdetect
    import trafilatura
    from datasketch import MinHash

    content = Path(path).read_bytes()
    document: Any = trafilatura.bare_extraction(content, with_metadata=True)
    if document is None or not (text := (document.text or "").strip()):
        return None
    try:
        language = langdetect.detect(text)
    except langdetect.LangDetectException:
        language = "und"
    words = text.lower().split()
    marks = MinHash()
    marks.update_batch([" ".join(words[at : at + SHINGLE_WORDS]).encode() for at in range(len(words))])
    row = {
        "id": path,
        "sha256": hashlib.sha256(content).hexdigest(),
        "text": text,
        "language": language,
        **{name: getattr(document, name) for name in ("title", "author", "date", "sitename", "url")},
    }
    return row, marks


def main() -> None:
    """Run one of the scripts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", choices=("same", "defaults"))
    parser.add_argument("pages", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    {"same": same, "defaults": defaults}[given.script](given.pages, given.output, given.workers)


if __name__ == "__main__":
    main()
