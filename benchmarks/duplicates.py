"""Near duplicates: which pairs millstream and the field's parameters of MinHash call duplicates, and which are."""

from __future__ import annotations

import collections
import dataclasses
import re
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.datasets import Bench, Gold, tell
from benchmarks.tables import f1, markdown_table, percent, points

MILLSTREAM = "millstream"
SETS = {"neardup.jsonl.gz": "European languages", "neardup_ml.jsonl.gz": "Chinese, Arabic, Hindi"}
QUOTING = "quotehost"
"""The `edit` of a text that quotes a third of another article: it is no duplicate, and alone in its cluster."""


@dataclasses.dataclass(frozen=True, slots=True)
class MinHashRecipe:
    """One way to find near duplicates by MinHash: texts that share a band are one cluster, unverified."""

    shingles: Callable[[str], Iterable[str]]
    permutations: int
    threshold: float | None = None  # datasketch's choice of bands for it
    bands: tuple[int, int] | None = None  # number of bands, rows in each


RECIPES = {
    # ekzhu/datasketch: words are the sets of its documentation, .5 the threshold there, .9 the default of MinHashLSH.
    "datasketch, words, .5": MinHashRecipe(lambda text: text.split(), 128, threshold=0.5),
    "datasketch, words, .9": MinHashRecipe(lambda text: text.split(), 128, threshold=0.9),
    # huggingface/datatrove, pipeline/dedup/minhash.py, MinhashConfig.
    "datatrove": MinHashRecipe(lambda text: n_grams(simplified(text).split(), 5), 112, bands=(14, 8)),
    # ChenghaoMou/text-dedup, text_dedup/utils/args.py, MinHashArgs; bands are chosen as datasketch does.
    "text-dedup": MinHashRecipe(lambda text: n_grams(re.split(r"\W", text.lower()), 5), 250, threshold=0.7),
    # NVIDIA-NeMo/Curator, FuzzyDeduplicationWorkflow: char_ngrams 24, num_bands 20, minhashes_per_band 13.
    "NeMo Curator": MinHashRecipe(
        lambda text: {text[at : at + 24] for at in range(len(text) - 23)}, 260, bands=(20, 13)
    ),
}


def measure(bench: Bench) -> dict[str, Any]:
    """The scores of millstream and of each recipe on each set of texts."""
    results: dict[str, Any] = {}
    for name in SETS:
        golds = bench.gold(name)
        rows = bench.clean_texts(name.partition(".")[0], golds)
        labels: dict[str, dict[str, Hashable]] = {
            MILLSTREAM: {row["member"]: row.get("kept_doc_id") or row["doc_id"] for row in rows}
        }
        for recipe_name, recipe in RECIPES.items():
            tell(f"{recipe_name} on {len(golds)} texts")
            labels[recipe_name] = dict(cluster({gold["id"]: gold["text"] for gold in golds}, recipe))
        results[name] = {"texts": len(golds)} | {each: score_clusters(golds, found) for each, found in labels.items()}
    return results


def score_clusters(golds: Sequence[Gold], labels: Mapping[str, Hashable]) -> dict[str, float | None]:
    """Precision, recall and F1 over pairs of texts, and the share of the quoting texts that stand apart.

    `labels` names the cluster that each text was put in; a text without one is in no pair.
    """
    seen = [gold for gold in golds if gold["id"] in labels]
    both = _pairs((labels[gold["id"]], gold["cluster"]) for gold in seen)
    predicted, true = _pairs(labels[gold["id"]] for gold in seen), _pairs(gold["cluster"] for gold in golds)
    precision, recall = both / predicted if predicted else 1.0, both / true if true else 1.0
    sizes = collections.Counter(labels[gold["id"]] for gold in seen)
    apart = [sizes[labels[gold["id"]]] == 1 for gold in seen if gold.get("edit") == QUOTING]
    return {
        "pair_precision": precision,
        "pair_recall": recall,
        "pair_f1": f1(precision, recall),
        "quotes_apart": sum(apart) / len(apart) if apart else None,
    }


def _pairs(labels: Iterable[Hashable]) -> int:
    return sum(size * (size - 1) // 2 for size in collections.Counter(labels).values())


def cluster(texts: Mapping[str, str], recipe: MinHashRecipe) -> dict[str, str]:
    """The cluster of each text, named by its first: all that share a band, and all that share one with those."""
    from datasketch import MinHash, MinHashLSH

    choice = {"params": recipe.bands} if recipe.bands else {"threshold": recipe.threshold}
    index = MinHashLSH(num_perm=recipe.permutations, **choice)
    parent: dict[str, str] = {}

    def root(text_id: str) -> str:
        while parent[text_id] != text_id:
            text_id = parent[text_id]
        return text_id

    for text_id, text in texts.items():
        parent[text_id] = text_id
        shingles = [shingle.encode() for shingle in set(recipe.shingles(text))]
        if not shingles:
            continue  # too short for a shingle: no tool compares it
        sketch = MinHash(num_perm=recipe.permutations)
        sketch.update_batch(shingles)
        for other in sorted(index.query(sketch)):
            parent[root(text_id)] = root(other)
        index.insert(text_id, sketch)
    return {text_id: root(text_id) for text_id in texts}


def n_grams(words: Sequence[str], length: int) -> set[str]:
    """The runs of so many words; none in a shorter text.

    >>> sorted(n_grams(["a", "b", "c"], 2))
    ['a b', 'b c']
    """
    return {" ".join(words[start : start + length]) for start in range(len(words) - length + 1)}


def simplified(text: str) -> str:
    """The text as datatrove makes it simple (utils/text.py): lower case, no punctuation, no marks, digits as 0.

    >>> simplified("Né en 1978,  à Paris.")
    'ne en 0 a paris'
    """
    plain = unicodedata.normalize("NFD", text.lower())
    kept = (character for character in plain if unicodedata.category(character)[0] not in "PSC" or character.isspace())
    return " ".join(re.sub(r"\d+", "0", "".join(c for c in kept if unicodedata.category(c) != "Mn")).split())


def tables(results: Mapping[str, Any]) -> str:
    """One table."""
    head = ["near duplicates, pairs"]
    for name, languages in SETS.items():
        head += [f"F1 (precision, recall), {results[name]['texts']:,} texts, {languages}", "quotes kept apart, %"]
    body = [[each, *(cell for name in SETS for cell in _cells(results[name][each]))] for each in (MILLSTREAM, *RECIPES)]
    return markdown_table(head, body)


def _cells(scores: Mapping[str, float | None]) -> list[str]:
    precision, recall = points(scores["pair_precision"]), points(scores["pair_recall"])
    return [f"{points(scores['pair_f1'])} ({precision}, {recall})", percent(scores["quotes_apart"])]
