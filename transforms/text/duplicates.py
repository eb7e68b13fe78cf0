"""Which documents duplicate which, and which paragraphs stand in several. Arrays in, arrays out.

Candidates come from the keys, verdicts from the fingerprints. A document is a number, and has a rank: of two duplicates
the one of smaller rank survives, of equal ranks the one of smaller number. So neither the order in which documents come
nor the number of workers decides anything.
"""

from __future__ import annotations

import array
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.text.fingerprint import SIGNATURE_BYTES, jaccard_of_equal_bytes

THRESHOLD = 0.44
"""Near-duplicates have at least this estimated Jaccard similarity: unrelated pages with a long notice reach .42, and
articles that quote a third of another .43."""

THRESHOLD_IN_FAMILY = 0.30
"""It is enough for two documents that a chain of near-duplicates joins, as two edits of one article. Measured on 1,917
articles and edits: pair F1 .991 in European languages and .987 in Chinese, Arabic and Hindi, and 125 of 126 articles
that quote a third of another apart. At .42 it is .989 and .993, with 123 apart; at .46 .990 and .976, with all."""

SHORT, THRESHOLD_OF_SHORT = 60, 0.60
"""Two texts of fewer tokens than this need more: forecasts for two towns by one template of 40 words reach .46. With it
the pair F1 on those articles and edits is the same; with 100 tokens it is .003 lower, with 150 tokens .014."""

THRESHOLD_AT_ADDRESS = 0.20
"""It is enough for two documents of one address: two captures of a page that changed in between. Less is no duplicate,
since the address may be wrong: sites declare their home page on every page, and feeds their own address on every item.
Measured: of 93 pairs of different pages of one site, 1,049 pages in all, the most alike reach .13."""

EXACT_DUPLICATE, URL_DUPLICATE, NEAR_DUPLICATE = 1, 2, 3
KINDS = {EXACT_DUPLICATE: "exact_duplicate", URL_DUPLICATE: "url_duplicate", NEAR_DUPLICATE: "near_duplicate"}

KEEP = ("first", "longest", "newest")
"""Which of its duplicates a cluster keeps."""

KEYED = np.dtype([("key", "<u8"), ("document", "<u8"), ("rank", "<u4")])
PAIR = np.dtype([("preferred", "<u8"), ("other", "<u8")])
VERDICT = np.dtype([("document", "<u8"), ("survivor", "<u8"), ("similarity", "<f4"), ("kind", "u1")])
KEYED_PARAGRAPH = np.dtype([("key", "<u8"), ("document", "<u8"), ("chars", "<u4")])
SHARED = np.dtype([("document", "<u8"), ("chars", "<u4")])

NEIGHBOURS = 3
WIDE_BUCKET = 64
VERIFIED_AT_ONCE = 1 << 14  # pairs: 25 MB

Array = npt.NDArray[Any]
_LAST_RANK = np.uint32(2**32 - 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Fingerprints:
    """What the index holds for n documents, a row for each."""

    exact: Array  # n rows of 16 bytes
    signature: Array  # n rows of 504 bytes; without a signature the row is there, and means nothing
    has_signature: npt.NDArray[np.bool_]
    tokens: npt.NDArray[np.uint32]  # how many the text has
    address: npt.NDArray[np.uint64]  # 0 where there is none
    rank: npt.NDArray[np.uint32]


Lookup = Callable[[npt.NDArray[np.uint64]], Fingerprints]
"""The fingerprints of the documents asked for, which are unique and ascending, in that order."""


def ranks(keep: str, chars: Array, days: Array) -> npt.NDArray[np.uint32]:
    """The rank of each document: the smaller, the rather it survives.

    `keep` is one of `KEEP`, `chars` the length of the text, `days` the date of publication as an ordinal, 0 where it is
    not known, which comes last.

    >>> ranks("longest", np.array([10, 30, 20]), np.zeros(3)).argsort().tolist()
    [1, 2, 0]
    """
    if keep not in KEEP:
        raise ValueError(f"keep is {keep!r}; it must be one of {', '.join(KEEP)}")
    wanted = {"first": np.zeros(len(chars)), "longest": chars, "newest": days}[keep]
    rank: npt.NDArray[np.uint32] = _LAST_RANK - np.minimum(wanted, _LAST_RANK).astype(np.uint32)
    return rank


def candidate_pairs(keyed: Array) -> Array:
    """The unique, sorted `PAIR`s of documents to compare, from all rows of `KEYED` that hold the keys in question.

    A key's documents form a bucket. Each is paired with the bucket's preferred one; in the bucket of a band or an
    address also with the three before it, since two duplicates may meet where the preferred one is a stranger to both.
    So pairs grow with the rows, not with their square. In buckets above 64 documents most are strangers, and neighbours
    say nothing: there, and where the keys are exact, the preferred one is enough. Neither the order of the rows nor the
    partition of the keys changes the pairs.
    """
    key, document = _shared_keys(keyed)
    starts = np.append(True, key[1:] != key[:-1])[: len(key)]
    first = np.flatnonzero(starts)
    size = np.diff(np.append(first, len(key)))
    place = np.arange(len(key)) - np.repeat(first, size)
    narrow = (np.repeat(size, size) <= WIDE_BUCKET) & (key & np.uint64(1) == 0)
    preferred, other = [np.repeat(document[first], size)[place > 0]], [document[place > 0]]
    for distance in range(1, NEIGHBOURS + 1):
        row = np.flatnonzero(narrow & (place > distance))
        preferred.append(document[row - distance])
        other.append(document[row])
    pairs = _unique_pairs(np.concatenate(preferred), np.concatenate(other))
    result = np.empty(len(pairs[0]), PAIR)
    result["preferred"], result["other"] = pairs
    return result


def resolve(candidates: Array, lookup: Lookup) -> Array:
    """A `VERDICT` for each loser among the candidates, sorted by document; the others survive.

    Documents of equal tokens count as the preferred one of them, its address included. The rest are walked in order of
    preference: each joins the first survivor that it is a duplicate of, else it survives. So a loser is always similar
    to the survivor it names, and a chain (A like B, B like C, A unlike C) is cut after B. When the preferred one is a
    fragment, what is unlike the fragment keeps a survivor of its own. Order and repetition of the candidates change
    nothing. Memory: the fingerprints that are looked up, and 60 bytes a candidate.
    """
    documents = np.unique(np.concatenate([candidates["preferred"], candidates["other"]]))
    known = lookup(documents)
    order = np.argsort(known.rank, kind="stable")  # from here on a document is its place in the order of preference
    twin = _first_of_equals(known.exact[order])
    pairs = _comparable_pairs(candidates, documents, order, twin)
    preferred, other, similarity, kind = _duplicates(*pairs, order, known)
    survivor, edge = _survivors(preferred, other, len(documents))
    survivor, edge = survivor[twin], edge[twin]
    losers = np.flatnonzero(survivor != np.arange(len(documents)))
    verdicts = np.empty(len(losers), VERDICT)
    verdicts["document"] = documents[order[losers]]
    verdicts["survivor"] = documents[order[survivor[losers]]]
    is_exact = edge[losers] < 0
    verdicts["similarity"] = np.where(is_exact, 1, np.append(similarity, 1)[edge[losers]])
    verdicts["kind"] = np.where(is_exact, EXACT_DUPLICATE, np.append(kind, 0)[edge[losers]])
    return np.sort(verdicts, order="document")


def shared_paragraphs(paragraphs: Array) -> Array:
    """A `SHARED` for each document with paragraphs that another document has too: their length; sorted by document.

    `paragraphs` are the rows of `KEYED_PARAGRAPH` that hold the keys in question. A paragraph that a document repeats
    is not shared for that; a shared one counts as often as it stands.
    """
    order = np.lexsort((paragraphs["document"], paragraphs["key"]))
    key, document, chars = (paragraphs[name][order] for name in ("key", "document", "chars"))
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])
    size = np.diff(np.append(first, len(key)))
    is_shared = np.repeat(document[first] != document[first + size - 1], size)
    found, place = np.unique(document[is_shared], return_inverse=True)
    result = np.zeros(len(found), SHARED)
    result["document"] = found
    np.add.at(result["chars"], place, chars[is_shared])
    return result


def _shared_keys(keyed: Array) -> tuple[Array, Array]:
    """The keys and documents of the rows whose key is not alone, each once, by key and in order of preference."""
    order = np.argsort(keyed["key"])
    key = keyed["key"][order]
    same = key[1:] == key[:-1]
    shared = keyed[order[np.append(same, False) | np.insert(same, 0, False)]] if len(key) else keyed
    shared = shared[np.lexsort((shared["document"], shared["rank"], shared["key"]))]
    key, document = shared["key"], shared["document"]
    new = np.append(True, (key[1:] != key[:-1]) | (document[1:] != document[:-1]))[: len(key)]
    return key[new], document[new]


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


def _comparable_pairs(candidates: Array, documents: Array, order: Array, twin: Array) -> tuple[Array, Array]:
    """The unique candidates of unequal tokens as places, sorted by the other and then the preferred."""
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    a = twin[place[np.searchsorted(documents, candidates["preferred"])]]
    b = twin[place[np.searchsorted(documents, candidates["other"])]]
    other, preferred = _unique_pairs(np.maximum(a, b), np.minimum(a, b))
    return preferred[preferred != other], other[preferred != other]


def _duplicates(preferred: Array, other: Array, order: Array, known: Fingerprints) -> tuple[Array, Array, Array, Array]:
    """Those of the pairs that are duplicates, their similarity and their kind."""
    comparable = known.has_signature[order[preferred]] & known.has_signature[order[other]]
    preferred, other = preferred[comparable], other[comparable]
    similarity = _similarity(order[preferred], order[other], known.signature)
    is_short = known.tokens[order] < SHORT
    strict = is_short[preferred] & is_short[other]
    near = similarity >= np.where(strict, THRESHOLD_OF_SHORT, THRESHOLD)
    family = _families(preferred[near], other[near], len(order))
    near |= (similarity >= THRESHOLD_IN_FAMILY) & (family[preferred] == family[other]) & ~strict
    address = known.address[order]
    one_address = (address[preferred] == address[other]) & (address[other] != 0)
    found = near | (one_address & (similarity >= THRESHOLD_AT_ADDRESS) & ~strict)
    kind = np.where(one_address, URL_DUPLICATE, NEAR_DUPLICATE)
    return preferred[found], other[found], similarity[found], kind[found]


def _similarity(a: Array, b: Array, signature: Array) -> Array:
    """Estimated Jaccard similarity of the pairs of rows."""
    rows = np.ascontiguousarray(signature).view(np.uint8).reshape(-1, SIGNATURE_BYTES)
    similarity = np.empty(len(a), np.float32)
    for start in range(0, len(a), VERIFIED_AT_ONCE):
        chunk = slice(start, start + VERIFIED_AT_ONCE)
        similarity[chunk] = jaccard_of_equal_bytes(np.count_nonzero(rows[a[chunk]] == rows[b[chunk]], axis=1))
    return similarity


def _families(preferred: Array, other: Array, count: int) -> Array:
    """For each place the first that a chain of pairs leads to: labels spread, and jump ahead, until none falls."""
    family = np.arange(count)
    while True:
        lowest = family.copy()
        np.minimum.at(lowest, other, family[preferred])
        np.minimum.at(lowest, preferred, family[other])
        lowest = lowest[lowest]
        if (lowest == family).all():
            return family
        family = lowest


def _survivors(preferred: Array, other: Array, count: int) -> tuple[Array, Array]:
    """For each of the places its survivor, itself if it survives, and the pair that decided, -1 where none did."""
    survivor = array.array("q", range(count))  # one by one, its items are reached three times as fast as an ndarray's
    edge = array.array("q", [-1]) * count
    pairs = zip(array.array("q", preferred.tobytes()), array.array("q", other.tobytes()), strict=True)
    for number, (kept, lost) in enumerate(pairs):
        if survivor[lost] == lost and survivor[kept] == kept:
            survivor[lost] = kept
            edge[lost] = number
    return np.array(survivor), np.array(edge)
