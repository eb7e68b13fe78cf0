"""Fits the trees that judge the blocks of a page, and prints how right they are on pages of sites they have not seen.

    python -m benchmarks.fit_main_blocks FOLDER [--write]

FOLDER holds one folder a set of pages, each with `pages/` and a `gold.jsonl` of objects with `file`, `url`, and either
`text`, the main text, or `with` and `without`, pieces that must and must not be in it; with `page_type` if it is known.
The figures are those of the cleaned text by trees that were fitted on the other four fifths of the sites. `--write`
fits all pages and replaces `transforms/text/main_blocks.json`: the same pages give the same file. Takes three minutes
and 2 GB. Needs catboost 1.2 (Apache-2.0), which millstream does not: the trees are read and asked with numpy.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import tempfile
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import ROOT, TREES, Gold, fingerprints, read_bytes, read_gold, tell
from benchmarks.page_scores import Page, score_pages, squash
from schemas.records import InputError
from transforms.text import main_blocks
from transforms.text.block_evidence import Floats, block_evidence, block_words
from transforms.text.boilerplate import strip_boilerplate
from transforms.text.decode import decode
from transforms.text.html import extract_html, page_evidence

FOLDS = 5
SETTINGS = {"iterations": 250, "depth": 5, "learning_rate": 0.08, "l2_leaf_reg": 5, "rsm": 0.3, "border_count": 64}
"""Depths of 3 to 6 and 150 to 400 trees are within 0.4 points of word F1 of each other."""

ARTICLE_WEIGHT = 0.5  # of a page: articles are most of the pages, and the easiest
MIN_LONG_WORDS = 5
NEAR = 4  # blocks: a short block is content only so near to a long one, as a menu has the words of headings
MIN_SNIPPET_CHARS = 20  # of a block that is itself part of a longer snippet

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Example:
    """A page with its blocks' evidence, as rows of a table, and what is known of them."""

    folder: str
    gold: Gold
    html: str
    evidence: NDArray[np.float32]
    labels: Floats  # 1 for content, 0 for none, NaN for unknown
    weights: Floats  # of the blocks; in sum that of the page, 0 for unknown


def main() -> None:
    """Measure, and write when asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the sets of pages")
    parser.add_argument("--write", action="store_true", help="fit all pages and replace the data of the package")
    given = parser.parse_args()
    names, examples = read_examples(given.data)
    for folder, scores in cross_validate(names, examples).items():
        print(folder, json.dumps({name: round(score, 4) for name, score in scores.items() if score is not None}))
    if given.write:
        sets = {f"{example.folder}/gold.jsonl" for example in examples}
        fitted_on = {name: digest for name, digest in fingerprints(given.data).items() if name in sets}
        (ROOT / TREES).write_text(as_json(fit(names, examples) | {"fitted_on": fitted_on}), encoding="utf-8")


def is_fitted_on(data: Path) -> bool:
    """Whether the trees that millstream ships were fitted on any of the sets of pages in a folder."""
    fitted_on = json.loads((ROOT / TREES).read_text(encoding="utf-8"))["fitted_on"]
    return not set(fitted_on.values()).isdisjoint(fingerprints(data).values())


def fold_of(gold: Gold) -> int:
    """Which fifth of the sites a page is of."""
    host = urllib.parse.urlsplit(gold.get("url") or "").hostname or gold["file"]
    return hashlib.md5(host.removeprefix("www.").encode(), usedforsecurity=False).digest()[1] % FOLDS


def read_examples(data: Path) -> tuple[list[str], list[Example]]:
    """The names of the evidence, and all pages below a folder that have blocks."""
    names: list[str] = []
    examples = []
    for path in sorted(data.glob("*/gold.jsonl")):
        golds = read_gold(path)
        if not any("text" in gold or "with" in gold for gold in golds):
            continue  # labelled lines
        for gold in golds:
            html = decode(read_bytes(path.parent / "pages" / gold["file"]), None, markup=True).text
            try:
                read = page_evidence(html)
            except InputError as error:
                tell(f"{gold['file']}: {error}")
                continue
            if read is None or not read[0].blocks:
                continue
            evidence = block_evidence(*read)
            names = list(evidence)
            table = np.array(list(evidence.values()), dtype=np.float32).T
            labels = block_labels(gold, [block.text for block in read[0].blocks])
            weights = block_weights(gold, labels, block_words(read[0].blocks))
            examples.append(Example(path.parent.name, gold, html, table, labels, weights))
        tell(f"{len(examples)} pages with {path.parent.name}")
    return names, examples


def block_labels(gold: Gold, texts: Sequence[str]) -> Floats:
    """For each block 1 when it is in the main text, 0 when not, NaN where the gold says nothing of it."""
    if gold.get("text"):
        return _labels_by_text(gold["text"], [_WORD.findall(text.lower()) for text in texts])
    labels = np.full(len(texts), np.nan)
    for label, name in ((0, "without"), (1, "with")):
        snippets = [squash(snippet) for snippet in gold.get(name) or []]
        for number, text in enumerate(map(squash, texts)):
            if any(snippet in text or (len(text) > MIN_SNIPPET_CHARS and text in snippet) for snippet in snippets):
                labels[number] = label
    return labels


def _labels_by_text(main_text: str, blocks: list[list[str]]) -> Floats:
    """A shingle or short block that the main text has once labels one block: the first, not its copies further down."""
    words = _WORD.findall(main_text.lower())
    left, joined = Counter(_shingles(words)), f" {' '.join(words)} "
    labels = np.zeros(len(blocks))
    near = np.zeros(len(blocks), dtype=bool)
    for number, block in enumerate(blocks):
        shingles = Counter(_shingles(block))
        if len(block) >= MIN_LONG_WORDS and (shingles & left).total() >= shingles.total() / 2:
            labels[number] = 1
            near[max(0, number - NEAR) : number + NEAR + 1] = True
            left -= shingles
    used: Counter[str] = Counter()
    for number, block in enumerate(blocks):
        key = f" {' '.join(block)} "
        if 0 < len(block) < MIN_LONG_WORDS and (near[number] or not near.any()) and used[key] < joined.count(key):
            used[key] += 1
            labels[number] = 1
    return labels


def _shingles(words: Sequence[str]) -> Iterable[tuple[str, ...]]:
    return zip(words, words[1:], words[2:], words[3:], strict=False)


def block_weights(gold: Gold, labels: Floats, words: Floats) -> Floats:
    """A long block weighs more, by the root of its words; a page as much as any other of its kind."""
    weights = np.where(np.isnan(labels), 0, np.sqrt(words))
    page = ARTICLE_WEIGHT if gold.get("page_type", "article") == "article" else 1.0
    return np.asarray(weights / max(weights.sum(), 1e-9) * page)


def fit(names: list[str], examples: Sequence[Example]) -> dict[str, Any]:
    """The data of the trees that tell the labels of the examples from the evidence, as `Trees.from_data` reads them.

    Raises `ValueError` when a tree is not as deep as the others: they are one table.
    """
    from catboost import CatBoostClassifier

    weights = np.concatenate([example.weights for example in examples])
    known = weights > 0
    evidence = np.concatenate([example.evidence for example in examples])[known]
    labels = np.concatenate([example.labels for example in examples])[known]
    model = CatBoostClassifier(**SETTINGS, random_seed=1, thread_count=2, verbose=False, allow_writing_files=False)
    model.fit(evidence, labels.astype(int), sample_weight=weights[known] / weights[known].mean())
    with tempfile.TemporaryDirectory() as scratch:
        model.save_model(f"{scratch}/model.json", format="json")
        exported = json.loads(Path(scratch, "model.json").read_text(encoding="utf-8"))
    depths = {len(tree["splits"]) for tree in exported["oblivious_trees"]}
    if depths != {SETTINGS["depth"]}:
        raise ValueError(f"trees of depths {sorted(depths)}, all must have {SETTINGS['depth']}: change SETTINGS")
    trees = [
        {
            "questions": [[split["float_feature_index"], _short(split["border"])] for split in tree["splits"]],
            "leaves": [_short(value) for value in tree["leaf_values"]],
        }
        for tree in exported["oblivious_trees"]
    ]
    return {"bias": _short(exported["scale_and_bias"][1][0]), "evidence": names, "trees": trees}


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def as_json(data: Mapping[str, Any]) -> str:
    """The data with one tree a line, so that two fits can be compared."""
    trees = ",\n".join(json.dumps(tree, separators=(",", ":")) for tree in data["trees"])
    head = json.dumps({name: value for name, value in data.items() if name != "trees"}, ensure_ascii=False)
    return f'{head[:-1]}, "trees": [\n{trees}\n]}}\n'


def fit_folds(names: list[str], examples: Sequence[Example]) -> Iterator[dict[str, Any]]:
    """For each fold the data of trees that saw no page of its sites."""
    for fold in range(FOLDS):
        tell(f"fold {fold + 1} of {FOLDS}")
        yield fit(names, [example for example in examples if fold_of(example.gold) != fold])


def cross_validate(names: list[str], examples: Sequence[Example]) -> dict[str, dict[str, float | None]]:
    """The scores of each set, every page cleaned with trees that saw no page of its site."""
    shipped = main_blocks.TREES
    pages = {}
    for fold, data in enumerate(fit_folds(names, examples)):
        main_blocks.TREES = main_blocks.Trees.from_data(data)
        for example in (example for example in examples if fold_of(example.gold) == fold):
            found = extract_html(example.html)
            text = strip_boilerplate(found.text, title=found.title).text
            pages[example.folder, example.gold["file"]] = Page(text)
    main_blocks.TREES = shipped
    folders = dict.fromkeys(example.folder for example in examples)
    return {
        folder: {
            name: score
            for name, score in score_pages(*_of_folder(folder, examples, pages)).items()
            if not name.startswith(("title", "author", "date"))  # the trees have no part in them
        }
        for folder in folders
    }


def _of_folder(
    folder: str, examples: Sequence[Example], pages: dict[tuple[str, str], Page]
) -> tuple[list[Gold], dict[str, Page]]:
    golds = [example.gold for example in examples if example.folder == folder]
    return golds, {gold["file"]: pages[folder, gold["file"]] for gold in golds}


if __name__ == "__main__":
    main()
