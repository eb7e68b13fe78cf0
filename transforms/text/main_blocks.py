"""Which blocks of a page are its main content: boosted trees over the evidence on each block, and a choice by F1.

The trees are data, `main_blocks.json`, fitted by `benchmarks/fit_main_blocks.py`. They are oblivious: all nodes of one
level of a tree ask the same question, so that a tree is a table that the answers number a row of (Prokhorenkova et al.,
"CatBoost: unbiased boosting with categorical features", NeurIPS 2018).
"""

from __future__ import annotations

import dataclasses
import importlib.resources
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.text.block_evidence import Floats, PageContext, block_evidence, block_words
from transforms.text.blocks import MARKS, Block, Layout

MIN_LIKELIHOOD = 0.15
"""Never keep a block that is less likely than this, however poor the page."""

MIN_COPY_SHINGLES = 5  # of four words: a heading may come twice
MIN_LONG_SHINGLES = 200
LONG_COPY_SHARE = 0.8
"""A block is a copy when all its shingles stood in blocks before it: a row of a table differs in a number.

Of a long block so many are enough: a page's second copy for machines or phones runs the paragraphs together.
"""

MAX_BATCH = 4096
"""Blocks that are judged at once: the answers of all trees take 2 kB a block. The evidence is there for all blocks."""

_WORD = re.compile(r"\w+")


@dataclasses.dataclass(frozen=True, slots=True)
class JudgedBlocks:
    """The blocks of a page, with how likely each is main content."""

    blocks: list[Block]
    likelihoods: Floats  # 0 to 1
    words: Floats
    extracted: Floats  # how much of each the first extraction took, 0 to 1

    def best(self) -> NDArray[np.bool_]:
        """Which blocks to keep for the highest expected word F1, each text once."""
        if not self.blocks:
            return np.zeros(0, dtype=bool)
        order = np.argsort(-self.likelihoods, kind="stable")
        true = (self.likelihoods * self.words)[order].cumsum()
        scores = 2 * true / (self.words[order].cumsum() + true[-1])
        least = self.likelihoods[order[int(scores.argmax())]]
        return self.without_copies(self.likelihoods >= max(MIN_LIKELIHOOD, least))

    def expected_f1(self, kept: NDArray[np.bool_]) -> float:
        """The word F1 that the likelihoods promise when these blocks are kept."""
        likely = self.likelihoods * self.words
        total = float(self.words[kept].sum() + likely.sum())
        return 2 * float(likely[kept].sum()) / total if total else 0.0

    def without_copies(self, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The blocks of those kept that say what none before them says."""
        first = kept.copy()
        seen: set[tuple[str, ...]] = set()
        for number in np.flatnonzero(kept):
            words = _WORD.findall(self.blocks[number].text)
            shingles = set(zip(words, words[1:], words[2:], words[3:], strict=False))
            share = LONG_COPY_SHARE if len(shingles) >= MIN_LONG_SHINGLES else 1.0
            first[number] = len(shingles) < MIN_COPY_SHINGLES or len(shingles & seen) < share * len(shingles)
            seen |= shingles
        return first

    def text(self, kept: NDArray[np.bool_]) -> str:
        """The blocks that are kept, a line or more each."""
        return "\n".join(block.text for block, keep in zip(self.blocks, kept, strict=True) if keep)


@dataclasses.dataclass(frozen=True, slots=True)
class Trees:
    """An ensemble of oblivious trees of one depth over named evidence."""

    names: tuple[str, ...]  # of the evidence, in the order of the columns
    columns: NDArray[np.intp]  # by question: the evidence that is asked for
    thresholds: NDArray[np.float32]  # by question: the answer is whether the evidence is above it
    asked: NDArray[np.intp]  # by level and tree: the number of a question, which two in five nodes share with another
    leaves: Floats  # by tree and answers, the first level's in the lowest bit
    bias: float

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Trees:
        """The trees that `main_blocks.json` holds; each is its questions, [column, threshold], and its leaves."""
        nodes = np.array([tree["questions"] for tree in data["trees"]])
        questions, asked = np.unique(nodes.reshape(-1, 2), axis=0, return_inverse=True)
        return cls(
            names=tuple(data["evidence"]),
            columns=questions[:, 0].astype(np.intp),
            thresholds=questions[:, 1].astype(np.float32),
            asked=asked.reshape(nodes.shape[:2]).T,
            leaves=np.array([tree["leaves"] for tree in data["trees"]]),
            bias=float(data["bias"]),
        )

    def logits(self, evidence: Mapping[str, Floats]) -> Floats:
        """The logit of each block's likelihood."""
        columns = [evidence[name] for name in self.names]
        batches = [slice(start, start + MAX_BATCH) for start in range(0, len(columns[0]), MAX_BATCH)]
        tables = (np.array([column[batch] for column in columns], dtype=np.float32) for batch in batches)
        return self.bias + np.concatenate([self._sums(table) for table in tables])

    def _sums(self, table: NDArray[np.float32]) -> Floats:
        replies = (table.take(self.columns, axis=0) > self.thresholds[:, None]).view(np.uint8)
        answers = np.zeros((len(self.leaves), table.shape[1]), dtype=np.uint8)  # of up to eight levels
        for level, questions in enumerate(self.asked):
            answers |= replies.take(questions, axis=0) << level
        first = np.arange(0, self.leaves.size, self.leaves.shape[1])[:, None]
        return np.asarray(self.leaves.take(first + answers).sum(axis=0))


def judge_blocks(layout: Layout, page: PageContext) -> JudgedBlocks:
    """Each block's likelihood of being main content; none for what readers comment on an article."""
    words = block_words(layout.blocks)
    if not layout.blocks:
        return JudgedBlocks([], words, words, words)
    evidence = block_evidence(layout, page)
    likelihoods = 1 / (1 + np.exp(-TREES.logits(evidence)))
    if page.kind == "article":
        bit = 1 << MARKS.index("class:comment")
        is_comment = [layout.containers[block.container].marks & bit != 0 for block in layout.blocks]
        likelihoods[np.array(is_comment)] = 0
    return JudgedBlocks(layout.blocks, likelihoods, words, evidence["extracted"])


def _load() -> Trees:
    resource = importlib.resources.files(__package__) / "main_blocks.json"
    return Trees.from_data(json.loads(resource.read_text(encoding="utf-8")))


TREES = _load()
