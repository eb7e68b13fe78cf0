"""Corpora to measure with: real pages made many, and generated documents. Nothing is downloaded; a seed gives the same.

    python -m benchmarks.corpus pages FOLDER OUT --count 5000
    python -m benchmarks.corpus documents OUT.jsonl --count 1000000 [--format jsonl|warc|parquet]

`pages` copies the pages of a folder of yours, those that end in `.gz` unpacked, and when there are not enough of them,
copies them again with the words of each paragraph in another order and without a declared address: the markup, the
length and the boilerplate stay, and the copies are no duplicates. `documents` writes one file of documents of some 5 KB
each: words of the seeds in a random order, one in twenty a near duplicate and one in a hundred a copy of an earlier
one, on fifty hosts that repeat a line on every page.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

ROOT = Path(__file__).parents[1]
# A script or style, which stays, or text between two tags of some sentences; what is shorter stays.
PARAGRAPH = re.compile(rb"<(?P<tag>script|style)\b.*?</(?P=tag)|>[^<>]{80,}<", re.DOTALL | re.IGNORECASE)
ADDRESS = re.compile(rb"canonical|og:url")
WORDS_OF_PARAGRAPH, CHARS = 60, 5000
NEAR_DUPLICATE_EVERY, COPY_EVERY, HOSTS = 20, 50, 50


def write_pages(pages: list[Path], out: Path, count: int) -> None:
    """Write `count` pages: the given ones, then shuffled copies of them."""
    out.mkdir(parents=True)
    for number, path in zip(range(count), itertools.cycle(pages), strict=False):
        page = read_page(path)
        target = out / f"{number:06}-{path.name.removesuffix('.gz')}"
        target.write_bytes(page if number < len(pages) else shuffled(page, seed=number))


def read_page(path: Path) -> bytes:
    """The page in a file, unpacked."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def shuffled(page: bytes, seed: int) -> bytes:
    """The page with the words of each paragraph in another order.

    >>> page = b"<p>" + b" ".join(b"word%d" % n for n in range(20)) + b"</p><p>Short.</p>"
    >>> other = shuffled(page, seed=1)
    >>> other != page, sorted(other[3:].split()[:19]) == sorted(page[3:].split()[:19]), len(other) == len(page)
    (True, True, True)
    """
    random = np.random.default_rng(seed)

    def shuffle(paragraph: re.Match[bytes]) -> bytes:
        if paragraph["tag"]:
            return paragraph.group()
        words = paragraph.group()[1:-1].split(b" ")
        return b">" + b" ".join(words[at] for at in random.permutation(len(words))) + b"<"

    return ADDRESS.sub(b"copied", PARAGRAPH.sub(shuffle, page))


def documents(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """(URL, text) of generated documents; each depends on the seed and its own number alone."""
    seeds = " ".join(path.read_text("utf-8") for path in sorted((ROOT / "seeds").glob("*.txt")))
    words = np.array([word for word in seeds.split() if word.isalpha()])
    for number in range(count):
        host = number % HOSTS
        paragraphs = _paragraphs(words, seed, _original(number))
        if number % NEAR_DUPLICATE_EVERY == NEAR_DUPLICATE_EVERY - 1:
            paragraphs[-1] = _paragraphs(words, seed, number, stream=1)[0]
        footer = f"Published by the editors of newsroom {host}, all of whom work in the mill."
        yield f"https://host{host}.example/{number}", "\n".join([*paragraphs, footer])


def _original(number: int) -> int:
    """The number of the document that this one repeats; its own for most."""
    is_copy = number % COPY_EVERY == COPY_EVERY - 1 or number % NEAR_DUPLICATE_EVERY == NEAR_DUPLICATE_EVERY - 1
    return number - number % NEAR_DUPLICATE_EVERY if is_copy else number


def _paragraphs(words: np.ndarray, seed: int, number: int, stream: int = 0) -> list[str]:
    drawn = words[np.random.default_rng([seed, number, stream]).integers(len(words), size=CHARS // 4)].tolist()
    paragraphs: list[str] = []
    chars = 0
    while chars < CHARS:
        start = len(paragraphs) * WORDS_OF_PARAGRAPH
        paragraphs.append(" ".join(drawn[start : start + WORDS_OF_PARAGRAPH]).capitalize() + ".")
        chars += len(paragraphs[-1])
    return paragraphs


def write_documents(out: Path, count: int, seed: int, form: str) -> None:
    """Write one file of generated documents, in flat memory."""
    made = documents(count, seed)
    if form == "parquet":
        schema = pa.schema([("url", pa.string()), ("text", pa.string())])
        with pq.ParquetWriter(out, schema) as writer:
            while rows := list(itertools.islice(made, 1000)):
                writer.write_table(pa.table(list(zip(*rows, strict=True)), schema=schema))
        return
    with out.open("wb") as stream:
        warc = WARCWriter(stream, gzip=True)
        for url, text in made:
            if form == "jsonl":
                stream.write(json.dumps({"url": url, "text": text}).encode() + b"\n")
            else:
                write_response(warc, url, text)


def write_response(warc: WARCWriter, url: str, text: str) -> None:
    """Write the text as an HTML page that was fetched."""
    page = f"<html><body><article><p>{text.replace(chr(10), '</p><p>')}</p></article></body></html>"
    head = StatusAndHeaders("200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1")
    payload = pa.BufferReader(page.encode())
    fixed = {"WARC-Date": "2024-05-01T00:00:00Z", "WARC-Record-ID": f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, url)}>"}
    record = warc.create_warc_record(url, "response", payload, http_headers=head, warc_headers_dict=fixed)
    warc.write_record(record)
    record.raw_stream.close()  # a temporary file by now


def main() -> None:
    """Write a corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    pages = commands.add_parser("pages")
    pages.add_argument("folder", type=Path)
    made = commands.add_parser("documents")
    made.add_argument("--format", choices=("jsonl", "warc", "parquet"), default="jsonl")
    made.add_argument("--seed", type=int, default=1)
    for each in (pages, made):
        each.add_argument("out", type=Path)
        each.add_argument("--count", type=int, required=True)
    given = parser.parse_args()
    if given.command == "pages":
        write_pages(sorted(path for path in given.folder.rglob("*") if path.is_file()), given.out, given.count)
    else:
        write_documents(given.out, given.count, given.seed, given.format)


if __name__ == "__main__":
    main()
