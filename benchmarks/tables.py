"""Tables in Markdown, and figures as they stand in them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

MISSING = "–"


def markdown_table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table: the first column is text, the others are figures.

    >>> print(markdown_table(["name", "F1"], [["millstream", ".98"]]))
    | name | F1 |
    |---|--:|
    | millstream | .98 |
    """
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *body]
    return "\n".join(
        "|" + "|".join(cells) + "|" if cells[0] == "---" else f"| {' | '.join(cells)} |" for cells in lines
    )


def points(share: float | None) -> str:
    """A share of 1, in three places.

    >>> points(0.98765), points(1.0), points(None)
    ('.988', '1.000', '–')
    """
    return MISSING if share is None else f"{share:.3f}".removeprefix("0")


def percent(share: float | None, places: int = 1) -> str:
    """A share of 1, in percent.

    >>> percent(0.98765), percent(None)
    ('98.8', '–')
    """
    return MISSING if share is None else f"{100 * share:.{places}f}"


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that there are; None when there are none.

    >>> mean([1.0, None, 0.0])
    0.5
    """
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def f1(precision: float | None, recall: float | None) -> float:
    """The harmonic mean of precision and recall; 0 when either is none.

    >>> f1(1.0, 0.5), f1(None, 0.5)
    (0.6666666666666666, 0.0)
    """
    return 2 * precision * recall / (precision + recall) if precision and recall else 0.0


def compare_cpu(seconds: Mapping[str, Sequence[float]], yardstick: str) -> dict[str, dict[str, float]]:
    """Milliseconds a call, the median and the mean, and both as a share of the yardstick's, for each name.

    >>> compare_cpu({"fast": [1.0, 2.0, 3.0], "slow": [4.0, 4.0, 10.0]}, "slow")["fast"]["median_ratio"]
    0.5
    """
    kinds: dict[str, Callable[[Sequence[float]], float]] = {"median": statistics.median, "mean": statistics.fmean}
    return {
        name: {f"{kind}_ms": 1000 * middle(values) for kind, middle in kinds.items()}
        | {f"{kind}_ratio": middle(values) / middle(seconds[yardstick]) for kind, middle in kinds.items()}
        for name, values in seconds.items()
    }


def markers(section: str) -> tuple[str, str]:
    """The lines that the tables of a section stand between."""
    return f"<!-- {section}: made by benchmarks/{section}.py -->", f"<!-- end of {section} -->"


def has_section(text: str, section: str) -> bool:
    """Whether there is a place for its tables."""
    begin, end = markers(section)
    return 0 <= text.find(begin) < text.find(end)


def with_section(text: str, section: str, tables: str) -> str:
    r"""The text with these tables between the markers of a section, instead of what was there.

    >>> begin, end = markers("quality")
    >>> print(with_section(f"before\n{begin}\nold\n{end}\nafter", "quality", "new"))
    before
    <!-- quality: made by benchmarks/quality.py -->
    new
    <!-- end of quality -->
    after
    """
    begin, end = markers(section)
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{tables}\n{end}{rest.partition(end)[2]}"
