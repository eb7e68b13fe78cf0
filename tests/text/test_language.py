"""The detected language: golden texts, the second voice, and determinism."""

from __future__ import annotations

import json
import pathlib
import random
import subprocess
import sys
from typing import Any

import langdetect
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import UNDETERMINED
from transforms.text import language as module
from transforms.text.language import DetectedLanguage, detect_language

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = json.loads((ROOT / "tests/golden/language.json").read_text(encoding="utf-8"))
SOUTH_SLAVIC = {"bs", "hr", "sr"}


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["label"])
def test_golden(case: dict[str, Any]) -> None:
    found = detect_language(case["text"])
    assert (found.language, found.script) == (case["language"], case["script"]), case["reason"]


@pytest.mark.parametrize(
    "case", [case for case in GOLDEN if case["language"] in SOUTH_SLAVIC and case["script"] == "Latn"]
)
def test_south_slavic_names_its_neighbours(case: dict[str, Any]) -> None:
    assert {candidate.language for candidate in detect_language(case["text"]).candidates} & SOUTH_SLAVIC > {
        case["language"]
    }


def test_south_slavic_without_telling_words_is_not_sure() -> None:
    found = detect_language("Danas je lijep i sunčan dan, a sutra će padati kiša.")
    assert found.language in SOUTH_SLAVIC
    assert found.score is not None
    assert found.score < 0.9


def test_same_answers_in_any_order_and_whatever_others_do_to_langdetect(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [case["text"][:40] for case in GOLDEN]
    first = [detect_language(text) for text in texts]
    order = list(range(len(texts)))
    random.Random(1).shuffle(order)
    monkeypatch.setattr(langdetect.DetectorFactory, "seed", 7)
    langdetect.detect("Somebody else detects a language in between.")
    assert {number: detect_language(texts[number]) for number in order} == dict(enumerate(first))


def test_same_answers_in_another_process() -> None:
    code = (
        "import json, sys; from transforms.text.language import detect_language as d;"
        "print([d(case['text'][:40]) for case in json.load(open(sys.argv[1], encoding='utf-8'))])"
    )
    arguments = [sys.executable, "-c", code, str(ROOT / "tests/golden/language.json")]
    there = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8").stdout
    assert there.strip() == str([detect_language(case["text"][:40]) for case in GOLDEN])


def test_langdetect_is_heard_only_where_py3langid_is_unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    def listen(sample: str) -> dict[str, float]:
        heard.append(sample)
        return {}

    monkeypatch.setattr(module, "_langdetect_probabilities", listen)
    detect_language(GOLDEN[0]["text"])
    assert heard == []
    detect_language("Sims var tjugo eller tyve")
    assert heard == ["Sims var tjugo eller tyve"]


def test_a_language_unknown_to_langdetect_keeps_its_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNSURE_BELOW", 2.0)
    monkeypatch.setattr(module, "_langdetect_probabilities", lambda sample: {"tr": 1.0})
    azerbaijani = next(case for case in GOLDEN if case["language"] == "az")
    assert detect_language(azerbaijani["text"]).language == "az"


def test_a_long_text_is_sampled_at_head_middle_and_tail() -> None:
    german, english = (next(case["text"] for case in GOLDEN if case["language"] == tag) for tag in ("de", "en"))
    assert detect_language("\n".join([german] * 2 + [english] * 80)).language == "en"
    assert detect_language("1 2 3 " * 500 + "\n".join([german] * 40)).language == "de"


@given(st.text(max_size=300))
def test_any_text_has_a_well_formed_answer(text: str) -> None:
    found = detect_language(text)
    assert found == detect_language(text)
    if found.language == UNDETERMINED:
        assert found == DetectedLanguage(UNDETERMINED, None, (), found.script)
        return
    scores = [candidate.score for candidate in found.candidates]
    assert found.candidates[0].language == found.language
    assert found.score == scores[0]
    assert len(scores) <= 3
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0.0
    assert sum(scores) < 1.0001


@given(st.text(alphabet=st.characters(categories=("N", "P", "S", "Z", "Cc", "Cf")), max_size=300))
def test_without_letters_there_is_neither_language_nor_script(text: str) -> None:
    assert detect_language(text) == DetectedLanguage(UNDETERMINED, None, (), None)
