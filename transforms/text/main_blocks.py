"""Which blocks of a page are its main content, for pages that are no articles: a logistic model with named evidence.

The method is that of Kohlschütter et al., "Boilerplate Detection using Shallow Text Features" (WSDM 2010): the length
and the links of a block, of its neighbours and of what it stands in. Added are what the markup is called and where on
the page it stands. The weights are data, `main_blocks.toml`; their signs say what each piece of evidence speaks for.
"""

from __future__ import annotations

import dataclasses
import importlib.resources
import math
import re
import tomllib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.text.blocks import MARKS, Block, Container, Layout

MIN_LIKELIHOOD = 0.15
"""Never keep a block that is less likely than this, however poor the page."""

NEIGHBOUR_WEIGHT = 0.2
"""What a block's likelihood takes from each neighbour: content is seldom alone. Worth half a point of word F1."""

MIN_PROSE_WORDS = 12
MAX_PROSE_LINK_SHARE = 0.4
REGION_SHARE = 0.34  # of the page's characters: the largest container below it is a block's region
MAX_PROSE_DISTANCE = 20  # blocks

_SENTENCE_END = re.compile(r"[.!?。！？][\"'”’»)]?(?:\s|$)")
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class JudgedBlocks:
    """The blocks of a page, with how likely each is main content."""

    blocks: list[Block]
    likelihoods: Floats  # 0 to 1
    words: Floats

    def best(self) -> NDArray[np.bool_]:
        """Which blocks to keep for the highest expected word F1."""
        if not self.blocks:
            return np.zeros(0, dtype=bool)
        order = np.argsort(-self.likelihoods, kind="stable")
        true = (self.likelihoods * self.words)[order].cumsum()
        scores = 2 * true / (self.words[order].cumsum() + true[-1])
        least = self.likelihoods[order[int(scores.argmax())]]
        return np.asarray(self.likelihoods >= max(MIN_LIKELIHOOD, least))

    def expected_f1(self, kept: NDArray[np.bool_]) -> float:
        """The word F1 that the likelihoods promise when these blocks are kept."""
        likely = self.likelihoods * self.words
        total = float(self.words[kept].sum() + likely.sum())
        return 2 * float(likely[kept].sum()) / total if total else 0.0

    def text(self, kept: NDArray[np.bool_]) -> str:
        """The blocks that are kept, one or more lines each."""
        return "\n".join(block.text for block, keep in zip(self.blocks, kept, strict=True) if keep)


def judge_blocks(layout: Layout, without: frozenset[str] = frozenset()) -> JudgedBlocks:
    """Each block's likelihood of being main content; none for those in a container marked as one of `without`."""
    words = np.array([block.text.count(" ") + 1 for block in layout.blocks], dtype=float)
    if not layout.blocks:
        return JudgedBlocks([], words, words)
    logits = np.full(len(words), _MODEL["intercept"]) + _weigh(layout, words)
    likelihoods = 1 / (1 + np.exp(-logits))
    bits = sum(1 << MARKS.index(mark) for mark in without)
    excluded = np.array([layout.containers[block.container].marks & bits != 0 for block in layout.blocks])
    likelihoods[excluded] = 0
    if len(words) > 2:
        padded = np.pad(likelihoods, 1, mode="edge")
        likelihoods = np.convolve(padded, [NEIGHBOUR_WEIGHT, 1 - 2 * NEIGHBOUR_WEIGHT, NEIGHBOUR_WEIGHT], "valid")
    return JudgedBlocks(layout.blocks, likelihoods, words)


def _weigh(layout: Layout, words: Floats) -> Floats:
    evidence = block_evidence(layout, words)
    total: Floats = sum((weight * evidence[name] for name, weight in _MODEL["evidence"].items()), np.zeros(len(words)))
    weights = _MODEL["marks"]
    known = {0: 0.0}  # by marks: a page has few combinations
    for marks in {layout.containers[block.container].marks for block in layout.blocks}:
        known[marks] = sum(weights.get(mark, 0.0) for bit, mark in enumerate(MARKS) if marks >> bit & 1)
    of_marks: Floats = np.array([known[layout.containers[block.container].marks] for block in layout.blocks])
    return total + of_marks


def block_evidence(layout: Layout, words: Floats) -> dict[str, Floats]:
    """The evidence on each block that the model weighs, by the names in `main_blocks.toml`."""
    blocks, containers = layout.blocks, layout.containers
    size = len(blocks)
    chars = np.array([len(block.text) for block in blocks], dtype=float)
    link_share = np.array([block.link_chars for block in blocks]) / chars
    sentences = np.array([min(5, len(_SENTENCE_END.findall(block.text))) for block in blocks], dtype=float)
    prose = (words >= MIN_PROSE_WORDS) & (link_share < MAX_PROSE_LINK_SHARE) & (sentences > 0)
    where = np.flatnonzero(prose)
    number = np.arange(size)
    page = max(1, containers[0].chars)
    first_h1 = next((n for n, block in enumerate(blocks) if containers[block.container].tag == "h1"), size)
    repeated = _repeated(blocks)
    return {
        **_container_evidence(layout, page),
        "log_words": np.minimum(np.log(words), 6),
        "link_share": link_share,
        "sentences": sentences,
        "ends_as_sentence": _flag(blocks, lambda block: block.text[-1] in '.!?…:;。”"'),
        "log_words_next": np.append(np.minimum(np.log(words), 6)[1:], 0),
        "characters_before": (chars.cumsum() - chars) / page,
        "before_prose": (number < (where[0] if len(where) else 0)).astype(float),
        "after_prose": (number > (where[-1] if len(where) else size)).astype(float),
        "to_last_prose": _distance(number, where, back=True),
        "to_next_prose": _distance(number, where, back=False),
        "after_h1": (number >= first_h1).astype(float),
        "repeated": repeated,
        "prose_on_page": np.full(size, chars[(words >= 15) & (link_share < 0.3)].sum() / page),
    }


def _container_evidence(layout: Layout, page: int) -> dict[str, Floats]:
    containers = layout.containers
    regions = _regions(containers, page)
    rows = [_chain(containers, regions, block.container) for block in layout.blocks]
    names = ("own_links", "region_links", "log_chars_around", "log_chars_region")
    shares = ("share_around_2", "share_around_3", "share_region")
    columns = np.array([row[: len(names)] for row in rows]).T
    parts = np.array([row[len(names) :] for row in rows]).T / page
    tags = [containers[block.container].tag for block in layout.blocks]
    return {
        **dict(zip(names, columns, strict=True)),
        **dict(zip(shares, parts, strict=True)),
        "paragraph": np.array([tag == "p" for tag in tags], dtype=float),
        "list_item": np.array([tag == "li" for tag in tags], dtype=float),
        "heading": np.array([tag in _HEADINGS for tag in tags], dtype=float),
        "term": np.array([tag in ("dt", "dd") for tag in tags], dtype=float),
    }


def _chain(containers: list[Container], regions: list[int], number: int) -> tuple[float, ...]:
    own = containers[number]
    around = containers[own.parent]
    second = containers[around.parent]
    third = containers[second.parent]
    region = containers[regions[number]]
    return (
        own.link_chars / max(1, own.chars),
        region.link_chars / max(1, region.chars),
        math.log1p(around.chars),
        math.log1p(region.chars),
        second.chars,
        third.chars,
        region.chars,
    )


def _regions(containers: list[Container], page: int) -> list[int]:
    """For each container the largest one around it that is but a part of the page."""
    regions = list(range(len(containers)))
    for number, container in enumerate(containers):
        around = container.parent
        if around and containers[around].chars < REGION_SHARE * page:
            regions[number] = regions[around]
    return regions


def _distance(number: NDArray[np.intp], prose: NDArray[np.intp], *, back: bool) -> Floats:
    """Blocks to the nearest prose before or after each, at most `MAX_PROSE_DISTANCE`."""
    place = np.searchsorted(prose, number, side="left" if back else "right") - (1 if back else 0)
    known = (place >= 0) & (place < len(prose))
    distance = np.full(len(number), float(MAX_PROSE_DISTANCE))
    distance[known] = np.abs(number[known] - prose[place[known]])
    near: Floats = np.minimum(distance, MAX_PROSE_DISTANCE)
    return near


def _repeated(blocks: list[Block]) -> Floats:
    seen: dict[str, int] = {}
    for block in blocks:
        seen[block.text] = seen.get(block.text, 0) + 1
    return _flag(blocks, lambda block: seen[block.text] > 1)


def _flag(blocks: list[Block], holds: Callable[[Block], bool]) -> Floats:
    return np.array([holds(block) for block in blocks], dtype=float)


def _load() -> dict[str, Any]:
    resource = importlib.resources.files(__package__) / "main_blocks.toml"
    return tomllib.loads(resource.read_text(encoding="utf-8"))


_MODEL = _load()
