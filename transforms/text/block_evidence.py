"""What speaks for or against each block of a page being main content: its text, its place, what it stands in.

Shallow features after Kohlschütter et al., "Boilerplate Detection using Shallow Text Features" (WSDM 2010). Added are
what the markup is called, how often its structure repeats, what a first extraction took around it, and the page.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np
from numpy.typing import NDArray

from transforms.text.blocks import MARKS, Block, Container, Layout
from transforms.text.page_type import PageType

MIN_PROSE_WORDS = 12
MAX_PROSE_LINK_SHARE = 0.4
REGION_SHARE = 0.34  # of the page's characters: the largest container below it is a block's region
MAX_DISTANCE = 20  # blocks
MAX_INDEX = 50  # blocks
MIN_LONG_WORDS = 6  # a shorter block counts as extracted when it is a line of the extraction

_SENTENCE_END = re.compile(r"[.!?。！？][\"'”’»)]?(?:\s|$)")
_PRICE = re.compile(r"[$€£¥₹]\s?\d|\d\s?(?:€|zł|kr\b|USD|EUR)")
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]


@dataclasses.dataclass(frozen=True, slots=True)
class PageContext:
    """What is known of a page before its blocks are judged."""

    kind: PageType
    path: str  # of its address
    title: frozenset[str]  # words in lower case
    description: frozenset[str]
    extracted: str  # the text of a first extraction, a block per line


def block_evidence(layout: Layout, page: PageContext) -> dict[str, Floats]:
    """The evidence on each block by name: words, characters, blocks, shares, or 1 for yes and 0 for no."""
    chars = np.array([len(block.text) for block in layout.blocks], dtype=float)
    words = block_words(layout.blocks)
    tree = _Tree(layout, chars)
    text = _text_evidence(layout, chars, words)
    extracted = extracted_shares(page.extracted, layout.blocks)
    prose = (words >= MIN_PROSE_WORDS) & (text["link_share"] < MAX_PROSE_LINK_SHARE) & (text["sentences"] > 0)
    return {
        **text,
        **_neighbours(text),
        **_place(layout, chars, prose),
        **_containers(tree),
        **_prose_around(tree, prose),
        **_templates(layout, tree, text, extracted),
        **_extracted_around(tree, words, extracted),
        **_page(layout, tree, words, prose, page),
        **_overlap(layout.blocks, page),
        **_marks(layout, tree),
    }


def block_words(blocks: list[Block]) -> Floats:
    """The number of words of each block."""
    return np.array([block.text.count(" ") + 1 for block in blocks], dtype=float)


def extracted_shares(extracted: str, blocks: list[Block]) -> Floats:
    """How much of each block an extraction took, by the first and the last four words of it: 0, 0.5 or 1.

    Linear in the length of the page; extractors change white space and marks of lists, seldom words.
    """
    words = extracted.split()
    shingles = set(zip(words, words[1:], words[2:], words[3:], strict=False))
    lines = {line.strip("-#| ").strip() for line in extracted.split("\n")}
    shares = []
    for block in blocks:
        own = block.text.split()
        if len(own) < MIN_LONG_WORDS:
            shares.append(float(" ".join(own) in lines))
        else:
            shares.append(((tuple(own[:4]) in shingles) + (tuple(own[-4:]) in shingles)) / 2)
    return np.array(shares, dtype=float)


class _Tree:
    """The containers of a page as arrays, and for each block the numbers of those around it."""

    def __init__(self, layout: Layout, block_chars: Floats) -> None:
        containers = layout.containers
        self.block_chars = block_chars
        self.parent: Numbers = np.array([container.parent for container in containers])
        self.chars = np.array([container.chars for container in containers], dtype=float)
        self.link_chars = np.array([container.link_chars for container in containers], dtype=float)
        self.total = max(1.0, self.chars[0])
        own: Numbers = np.array([block.container for block in layout.blocks])
        around = self.parent[own]
        second = self.parent[around]
        self.of_block = {
            "own": own,
            "around": around,
            "around_2": second,
            "around_3": self.parent[second],
            "region": np.array(_regions(containers, self.total))[own],
        }

    def sums(self, values: Floats) -> Floats:
        """For each container, the sum of the blocks' values in it."""
        sums = np.bincount(self.of_block["own"], weights=values, minlength=len(self.parent)).tolist()
        parent = self.parent.tolist()
        for number in range(len(sums) - 1, 0, -1):
            sums[parent[number]] += sums[number]
        return np.array(sums)


def _regions(containers: list[Container], page: float) -> list[int]:
    """For each container the largest one around it that is but a part of the page."""
    regions = list(range(len(containers)))
    for number, container in enumerate(containers):
        around = container.parent
        if around and containers[around].chars < REGION_SHARE * page:
            regions[number] = regions[around]
    return regions


def _text_evidence(layout: Layout, chars: Floats, words: Floats) -> dict[str, Floats]:
    texts = [block.text for block in layout.blocks]
    tags = [layout.containers[block.container].tag for block in layout.blocks]
    return {
        "words": words,
        "link_share": np.array([block.link_chars for block in layout.blocks]) / chars,
        "sentences": np.array([min(5, len(_SENTENCE_END.findall(text))) for text in texts], dtype=float),
        "ends_as_sentence": _flags([text[-1] in '.!?…:;。”"' for text in texts]),
        "upper_case": np.array([sum(map(str.isupper, text[:200])) / len(text[:200]) for text in texts]),
        "commas": np.array([text.count(",") for text in texts]) / words,
        "price": _flags([_PRICE.search(text) is not None for text in texts]),
        "copyright": _flags(["©" in text for text in texts]),
        "chars_a_word": chars / words,
        "paragraph": _flags([tag == "p" for tag in tags]),
        "list_item": _flags([tag == "li" for tag in tags]),
        "heading": _flags([tag in _HEADINGS for tag in tags]),
    }


def _neighbours(text: dict[str, Floats]) -> dict[str, Floats]:
    return {
        f"{name}_{side}": _shifted(text[name], step)
        for name in ("words", "link_share", "sentences")
        for side, step in (("before", 1), ("after", -1), ("before_2", 2), ("after_2", -2))
    }


def _place(layout: Layout, chars: Floats, prose: NDArray[np.bool_]) -> dict[str, Floats]:
    blocks, size = layout.blocks, len(layout.blocks)
    number = np.arange(size)
    where = np.flatnonzero(prose)
    first_h1 = next((n for n, block in enumerate(blocks) if layout.containers[block.container].tag == "h1"), size)
    seen: dict[str, int] = {}
    for block in blocks:
        seen[block.text] = seen.get(block.text, 0) + 1
    return {
        "chars_before": (chars.cumsum() - chars) / chars.sum(),
        "position": number / size,
        "index": np.minimum(number, MAX_INDEX).astype(float),
        "index_from_end": np.minimum(number[::-1], MAX_INDEX).astype(float),
        "before_prose": (number < (where[0] if len(where) else 0)).astype(float),
        "after_prose": (number > (where[-1] if len(where) else size)).astype(float),
        "to_prose_before": _distance(number, where, back=True),
        "to_prose_after": _distance(number, where, back=False),
        "after_h1": (number >= first_h1).astype(float),
        "repeated": _flags([seen[block.text] > 1 for block in blocks]),
    }


def _containers(tree: _Tree) -> dict[str, Floats]:
    parent = tree.parent.tolist()
    depths = [0] * len(parent)
    for number in range(1, len(depths)):
        depths[number] = depths[parent[number]] + 1
    blocks = tree.sums(np.ones(len(tree.block_chars)))
    evidence = {"depth": np.array(depths, dtype=float)[tree.of_block["own"]]}
    for name, container in tree.of_block.items():
        evidence[f"links_{name}"] = (tree.link_chars / np.maximum(1, tree.chars))[container]
        evidence[f"chars_{name}"] = tree.chars[container]
        evidence[f"share_{name}"] = tree.chars[container] / tree.total
        evidence[f"blocks_{name}"] = blocks[container]
        evidence[f"chars_a_block_{name}"] = (tree.chars / np.maximum(1, blocks))[container]
    return evidence


def _prose_around(tree: _Tree, prose: NDArray[np.bool_]) -> dict[str, Floats]:
    sums = tree.sums(tree.block_chars * prose)
    evidence = {}
    for name, container in tree.of_block.items():
        evidence[f"prose_{name}"] = (sums / np.maximum(1, tree.chars))[container]
        evidence[f"part_of_prose_{name}"] = sums[container] / max(1, sums[0])
    return evidence


def _templates(layout: Layout, tree: _Tree, text: dict[str, Floats], extracted: Floats) -> dict[str, Floats]:
    """Blocks whose three innermost containers have the same tags and classes: the cards of a list, posts, menus."""
    names = [container.template for container in layout.containers]
    chains = zip(*(tree.of_block[name].tolist() for name in ("own", "around", "around_2")), strict=True)
    numbers: dict[tuple[str, str, str], int] = {}
    same = np.array([numbers.setdefault((names[a], names[b], names[c]), len(numbers)) for a, b, c in chains])
    chars, each = tree.block_chars, np.ones(len(same))

    def mean(values: Floats, weights: Floats) -> Floats:
        means: Floats = np.bincount(same, weights=values * weights) / np.bincount(same, weights=weights)
        return np.asarray(means[same])

    return {
        "same_count": np.bincount(same)[same].astype(float),
        "same_share": np.bincount(same, weights=chars)[same] / tree.total,
        "same_words": mean(text["words"], each),
        "same_sentences": mean((text["sentences"] > 0).astype(float), each),
        "same_links": mean(text["link_share"], chars),
        "same_extracted": mean(extracted, chars),
    }


def _extracted_around(tree: _Tree, words: Floats, extracted: Floats) -> dict[str, Floats]:
    size = len(extracted)
    number, where = np.arange(size), np.flatnonzero(extracted)
    sums = tree.sums(extracted * tree.block_chars)
    evidence = {
        "extracted": extracted,
        "extracted_before": _shifted(extracted, 1),
        "extracted_after": _shifted(extracted, -1),
        "to_extracted_before": _distance(number, where, back=True),
        "to_extracted_after": _distance(number, where, back=False),
        "before_extracted": (number < (where[0] if len(where) else size)).astype(float),
        "after_extracted": (number > (where[-1] if len(where) else -1)).astype(float),
        "page_extracted": np.full(size, (extracted * words).sum() / words.sum()),
        "page_extracted_words": np.full(size, (extracted * words).sum()),
    }
    for name, container in tree.of_block.items():
        evidence[f"extracted_{name}"] = (sums / np.maximum(1, tree.chars))[container]
        evidence[f"part_of_extracted_{name}"] = sums[container] / max(1, sums[0])
    return evidence


def _page(layout: Layout, tree: _Tree, words: Floats, prose: NDArray[np.bool_], page: PageContext) -> dict[str, Floats]:
    path = page.path.strip("/")
    values = {
        "page_words": words.sum(),
        "page_blocks": len(words),
        "page_links": tree.link_chars[0] / tree.total,
        "page_h1": min(5, sum(container.tag == "h1" and container.chars > 0 for container in layout.containers)),
        "page_prose_blocks": min(100, prose.sum()),
        "page_prose": tree.block_chars[prose].sum() / tree.total,
        "path_depth": path.count("/") + bool(path),
        "path_chars": len(page.path),
        **{f"kind_{kind}": page.kind == kind for kind in ("article", "discussion", "product")},
    }
    return {name: np.full(len(words), float(value)) for name, value in values.items()}


def _overlap(blocks: list[Block], page: PageContext) -> dict[str, Floats]:
    """How much of what the page says it is about a block names."""
    named = page.title | page.description
    evidence = np.zeros((3, len(blocks)))
    for number, block in enumerate(blocks):
        words = block.text.lower().split()
        if common := named.intersection(words):  # so it is with one block in three
            of_title = len(common & page.title)
            evidence[:, number] = of_title, of_title / len(set(words)), len(common & page.description)
    return {
        "of_title": evidence[0] / max(1, len(page.title)),
        "in_title": evidence[1],
        "of_description": evidence[2] / max(1, len(page.description)),
    }


def _marks(layout: Layout, tree: _Tree) -> dict[str, Floats]:
    """Which marks any container around a block has, and which ones the nearest three."""
    inherited: Numbers = np.array([container.marks for container in layout.containers])
    own: Numbers = np.array([container.own_marks for container in layout.containers])
    near = np.zeros(len(layout.blocks), dtype=own.dtype)
    for name in ("own", "around", "around_2"):
        near |= own[tree.of_block[name]]
    evidence = {}
    for prefix, bits in (("in", inherited[tree.of_block["own"]]), ("near", near)):
        for number, mark in enumerate(MARKS):
            evidence[f"{prefix}:{mark}"] = (bits >> number & 1).astype(float)
    return evidence


def _shifted(values: Floats, step: int) -> Floats:
    """The value of the block `step` before each, 0 where there is none."""
    shifted = np.zeros(len(values))
    if step > 0:
        shifted[step:] = values[:-step]
    else:
        shifted[:step] = values[-step:]
    return shifted


def _distance(number: Numbers, where: Numbers, *, back: bool) -> Floats:
    """Blocks to the nearest one of `where` before or after each, at most `MAX_DISTANCE`."""
    place = np.searchsorted(where, number, side="left" if back else "right") - (1 if back else 0)
    known = (place >= 0) & (place < len(where))
    distance = np.full(len(number), float(MAX_DISTANCE))
    distance[known] = np.abs(number[known] - where[place[known]])
    return np.asarray(np.minimum(distance, MAX_DISTANCE))


def _flags(holds: list[bool]) -> Floats:
    return np.array(holds, dtype=float)
