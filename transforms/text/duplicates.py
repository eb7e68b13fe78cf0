"""Which documents duplicate which: candidates from the keys, verdicts from the fingerprints. Arrays in, arrays out.

A document is a number whose order is the order of preference: of two duplicates the smaller survives.
"""

from __future__ import annotations

import array
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.text.fingerprint import SIGNATURE_BYTES, jaccard_of_equal_bytes

THRESHOLD = 0.42
"""Near-duplicates have at least this estimated Jaccard similarity: unrelated pages with a long notice reach .42."""

THRESHOLD_IN_FAMILY = 0.30
"""It is enough for two documents that a chain of near-duplicates joins, as two edits of one article. Measured on 1,917
articles and edits, with five seeds and two orders: pair F1 .990 in European languages and .990 in Chinese, Arabic and
Hindi, and all 126 articles that quote a third of another apart; with one threshold for all .981 and .974 at .42, .978
and .987 at .38, and none better in both."""

EXACT_DUPLICATE, NEAR_DUPLICATE = 1, 2
KINDS = {EXACT_DUPLICATE: "exact_duplicate", NEAR_DUPLICATE: "near_duplicate"}

KEYED = np.dtype([("key", "<u8"), ("document", "<u8")])
PAIR = np.dtype([("smaller", "<u8"), ("larger", "<u8")])
VERDICT = np.dtype([("document", "<u8"), ("survivor", "<u8"), ("similarity", "<f4"), ("kind", "u1")])

NEIGHBOURS = 3
WIDE_BUCKET = 64
VERIFIED_AT_ONCE = 1 << 14  # pairs: 25 MB

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Fingerprints:
    """What the index holds for n documents, a row for each."""

    exact: Array  # n rows of 16 bytes
    signature: Array  # n rows of 504 bytes; without a signature the row is there, and means nothing
    has_signature: npt.NDArray[np.bool_]


Lookup = Callable[[npt.NDArray[np.uint64]], Fingerprints]
"""The fingerprints of the documents asked for, which are unique and ascending, in that order."""


def candidate_pairs(keyed: Array) -> Array:
    """The unique, sorted `PAIR`s of documents to compare, from all rows of `KEYED` that hold the keys in question.

    A key's documents form a bucket. Each is paired with the bucket's smallest; in the bucket of a band also with the
    three before it, since two duplicates may meet where the smallest is a stranger to both. So pairs grow with the
    rows, not with their square. In buckets above 64 documents most are strangers, and neighbours by number say
    nothing: there, and where the keys are exact, the smallest is enough. Neither the order of the rows nor the
    partition of the keys changes the pairs.
    """
    key, document = _shared_keys(keyed)
    starts = np.append(True, key[1:] != key[:-1])[: len(key)]
    first = np.flatnonzero(starts)
    size = np.diff(np.append(first, len(key)))
    place = np.arange(len(key)) - np.repeat(first, size)
    narrow_band = (np.repeat(size, size) <= WIDE_BUCKET) & (key & np.uint64(1) == 0)
    smaller, larger = [np.repeat(document[first], size)[place > 0]], [document[place > 0]]
    for distance in range(1, NEIGHBOURS + 1):
        row = np.flatnonzero(narrow_band & (place > distance))
        smaller.append(document[row - distance])
        larger.append(document[row])
    pairs = _unique_pairs(np.concatenate(smaller), np.concatenate(larger))
    result = np.empty(len(pairs[0]), PAIR)
    result["smaller"], result["larger"] = pairs
    return result


def resolve(candidates: Array, lookup: Lookup) -> Array:
    """A `VERDICT` for each loser among the candidates, sorted by document; the others survive.

    Documents of equal tokens count as the smallest of them. The rest are walked from the smallest: each joins the
    smallest survivor that it is a near-duplicate of, else it survives. So a loser is always similar to the survivor it
    names, and a chain (A like B, B like C, A unlike C) is cut after B. When the smallest is a fragment, what is unlike
    the fragment keeps a survivor of its own. Order and repetition of the candidates change nothing. Memory: the
    fingerprints that are looked up, and 60 bytes a candidate.
    """
    documents = np.unique(np.concatenate([candidates["smaller"], candidates["larger"]]))
    known = lookup(documents)
    twin = _first_of_equals(known.exact)
    smaller, larger, similarity = _near_duplicates(candidates, documents, twin, known)
    survivor, likeness = _survivors(smaller, larger, similarity, len(documents))
    survivor, likeness = survivor[twin], likeness[twin]
    losers = np.flatnonzero(survivor != np.arange(len(documents)))
    verdicts = np.empty(len(losers), VERDICT)
    verdicts["document"] = documents[losers]
    verdicts["survivor"] = documents[survivor[losers]]
    verdicts["similarity"] = likeness[losers]
    verdicts["kind"] = np.where(twin[losers] == survivor[losers], EXACT_DUPLICATE, NEAR_DUPLICATE)
    return verdicts


def _shared_keys(keyed: Array) -> tuple[Array, Array]:
    """The rows whose key is not alone, as sorted columns, each row once."""
    order = np.argsort(keyed["key"])
    key = keyed["key"][order]
    same = key[1:] == key[:-1]
    shared = order[np.append(same, False) | np.insert(same, 0, False)] if len(key) else order
    return _unique_pairs(keyed["key"][shared], keyed["document"][shared])


def _unique_pairs(first: Array, second: Array) -> tuple[Array, Array]:
    """The pairs sorted, each once. `np.unique` over rows compares them as bytes, and takes ten times as long."""
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    new = np.append(True, (first[1:] != first[:-1]) | (second[1:] != second[:-1]))[: len(first)]
    return first[new], second[new]


def _first_of_equals(exact: Array) -> Array:
    """For each row the first row with the same exact hash."""
    low, high = np.ascontiguousarray(exact).view(np.uint64).reshape(-1, 2).T
    order = np.lexsort((high, low))  # stable: the first of equals comes first
    new = np.append(True, (low[order][1:] != low[order][:-1]) | (high[order][1:] != high[order][:-1]))[: len(order)]
    first = np.empty(len(order), np.intp)
    first[order] = order[new][np.cumsum(new) - 1]
    return first


def _near_duplicates(
    candidates: Array, documents: Array, twin: Array, known: Fingerprints
) -> tuple[Array, Array, Array]:
    """The verified pairs as rows of `documents`, sorted by the larger and then the smaller, and their similarity."""
    a = twin[np.searchsorted(documents, candidates["smaller"])]
    b = twin[np.searchsorted(documents, candidates["larger"])]
    comparable = (a != b) & known.has_signature[a] & known.has_signature[b]
    a, b = a[comparable], b[comparable]
    larger, smaller = _unique_pairs(np.maximum(a, b), np.minimum(a, b))
    signature = np.ascontiguousarray(known.signature).view(np.uint8).reshape(-1, SIGNATURE_BYTES)
    similarity = np.empty(len(larger), np.float32)
    for start in range(0, len(larger), VERIFIED_AT_ONCE):
        chunk = slice(start, start + VERIFIED_AT_ONCE)
        equal = np.count_nonzero(signature[smaller[chunk]] == signature[larger[chunk]], axis=1)
        similarity[chunk] = jaccard_of_equal_bytes(equal)
    near = similarity >= THRESHOLD
    family = _families(smaller[near], larger[near], len(documents))
    near |= (similarity >= THRESHOLD_IN_FAMILY) & (family[smaller] == family[larger])
    return smaller[near], larger[near], similarity[near]


def _families(smaller: Array, larger: Array, count: int) -> Array:
    """For each row the first that a chain of pairs leads to: labels spread, and jump ahead, until none falls."""
    family = np.arange(count)
    while True:
        lowest = family.copy()
        np.minimum.at(lowest, larger, family[smaller])
        np.minimum.at(lowest, smaller, family[larger])
        lowest = lowest[lowest]
        if (lowest == family).all():
            return family
        family = lowest


def _survivors(smaller: Array, larger: Array, similarity: Array, count: int) -> tuple[Array, Array]:
    """For each of the rows its survivor, itself if it survives, and the similarity of the two."""
    survivor = array.array("q", range(count))  # one by one, its items are reached three times as fast as an ndarray's
    likeness = np.ones(count, np.float32)
    pairs = zip(array.array("q", smaller.tobytes()), array.array("q", larger.tobytes()), strict=True)
    for edge, (kept, lost) in enumerate(pairs):
        if survivor[lost] == lost and survivor[kept] == kept:
            survivor[lost] = kept
            likeness[lost] = similarity[edge]
    return np.array(survivor), likeness
