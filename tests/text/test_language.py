"""The detected language: golden texts, the three voices, the mix, and determinism."""

from __future__ import annotations

import json
import pathlib
import random
import subprocess
import sys
from typing import Any

import langdetect
import langdetect_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.records import UNDETERMINED
from transforms.text import language as module
from transforms.text.language import DetectedLanguage, ask_langdetect, detect_language, detect_mix

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = json.loads((ROOT / "tests/golden/language.json").read_text(encoding="utf-8"))
SOUTH_SLAVIC = {"bs", "hr", "sr-Latn"}
TEXTS = {case["language"]: case["text"] for case in reversed(GOLDEN)}


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["label"])
def test_golden(case: dict[str, Any]) -> None:
    found = detect_language(case["text"])
    assert (found.language, found.script) == (case["language"], case["script"]), case["reason"]


@pytest.mark.parametrize("case", [case for case in GOLDEN if case["language"] in SOUTH_SLAVIC])
def test_south_slavic_names_its_neighbours(case: dict[str, Any]) -> None:
    assert {candidate.language for candidate in detect_language(case["text"]).candidates} & SOUTH_SLAVIC > {
        case["language"]
    }


def test_south_slavic_without_telling_words_is_a_guess_that_says_so() -> None:
    found = detect_language("Danas je vrlo topao i sunčan dan, a sutra će ponovo padati kiša po cijeloj zemlji.")
    assert found.language in SOUTH_SLAVIC
    assert found.score is not None
    assert found.score < 0.9
    assert len({candidate.language for candidate in found.candidates} & SOUTH_SLAVIC) >= 2


def test_a_word_counts_as_a_stem_or_as_a_whole() -> None:
    # `pre ` is Serbian, `prema` common to all; `tisuć` is a stem.
    assert module._south_slavic_weights("Prema prepisci") == {"bs": 1.0, "sr": 1.0, "hr": 1.0}
    assert module._south_slavic_weights("pre podne") == {"bs": 1.0, "sr": 16.0, "hr": 1.0}
    assert module._south_slavic_weights("Tisućama, pre") == {"bs": 1.0, "sr": 16.0, "hr": 16.0}


def test_same_answers_in_any_order_and_whatever_others_do_to_langdetect(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [case["text"][:40] for case in GOLDEN]
    first = [(detect_language(text), ask_langdetect(text)) for text in texts]
    order = list(range(len(texts)))
    random.Random(1).shuffle(order)
    monkeypatch.setattr(langdetect.DetectorFactory, "seed", 7)
    monkeypatch.setattr(langdetect_rs.DetectorFactory, "seed", 7)
    langdetect.detect("Somebody else detects a language in between.")
    langdetect_rs.detect("Somebody else detects a language in between.")
    there = {number: (detect_language(texts[number]), ask_langdetect(texts[number])) for number in order}
    assert there == dict(enumerate(first))


def test_same_answers_in_another_process() -> None:
    code = (
        "import json, sys; from transforms.text.language import ask_langdetect as a, detect_language as d;"
        "texts = [case['text'][:40] for case in json.load(open(sys.argv[1], encoding='utf-8'))];"
        "print([(d(text), a(text)) for text in texts])"
    )
    arguments = [sys.executable, "-c", code, str(ROOT / "tests/golden/language.json")]
    there = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8").stdout
    texts = [case["text"][:40] for case in GOLDEN]
    assert there.strip() == str([(detect_language(text), ask_langdetect(text)) for text in texts])


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["label"])
def test_langdetect_rs_says_what_langdetect_says(case: dict[str, Any]) -> None:
    def tell(factory: Any) -> list[tuple[str, float]]:
        detector = factory.create()
        detector.append(case["text"])
        try:
            return [(one.lang, one.prob) for one in detector.get_probabilities()]
        except (langdetect.LangDetectException, langdetect_rs.LangDetectException):
            return []

    assert tell(module._LANGDETECT_RS) == tell(module._langdetect_factory())


def test_langdetect_alone_is_not_corrected() -> None:
    # Serbian is unknown to it, and it is sure of the neighbour.
    found = ask_langdetect(TEXTS["sr-Cyrl"])
    assert found.language == "mk"
    assert found.score is not None
    assert found.score > 0.9
    assert ask_langdetect(TEXTS["zh-Hans"]).language == "zh-Hans"
    assert ask_langdetect("12 34") == DetectedLanguage(UNDETERMINED, None, (), None)


def test_a_language_is_judged_by_the_detectors_that_know_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_langdetect", lambda sample: {"tr": 1.0})
    assert detect_language(TEXTS["az"]).language == "az"
    assert detect_language(TEXTS["sq"]).language == "sq"


def test_disagreement_lowers_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    agreed = detect_language(TEXTS["it"]).score
    monkeypatch.setattr(module, "_langdetect", lambda sample: {"ro": 1.0})
    monkeypatch.setattr(module, "_cld2", lambda sample: {"ro": 1.0})
    doubted = detect_language(TEXTS["it"])
    assert agreed is not None
    assert doubted.score is not None
    assert doubted.score < agreed
    assert "ro" in {candidate.language for candidate in doubted.candidates}


def test_langdetect_is_asked_only_where_the_others_are_unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_langdetect", lambda sample: pytest.fail("langdetect was asked"))
    assert detect_language(TEXTS["it"]).language == "it"
    with pytest.raises(pytest.fail.Exception):
        detect_language("Sims var tjugo eller tyve")


def test_langdetect_has_a_voice_where_the_others_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_cld2", lambda sample: {"da": 1.0})
    scores = {}
    for tag in ("da", "no"):
        monkeypatch.setattr(module, "_langdetect", lambda sample, tag=tag: {tag: 1.0})
        found = detect_language("Sims var tjugo eller tyve")
        scores[tag] = next(one.score for one in found.candidates if one.language == "da")
    assert scores["da"] > scores["no"] + 0.2


def test_a_script_of_one_language_decides_unless_the_text_is_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert detect_language(TEXTS["ka"]).score == 1.0
    assert detect_language(TEXTS["ka"] + TEXTS["en"]).score != 1.0
    monkeypatch.setattr(module, "_vote", lambda sample: pytest.fail("a detector was asked"))
    assert detect_language(TEXTS["ka"]).language == "ka"


def test_a_japanese_name_does_not_make_chinese_japanese() -> None:
    found = detect_language(TEXTS["zh-Hans"] + "かな")
    assert (found.language, found.script) == ("zh-Hans", "Hans")


def test_a_long_text_is_sampled_at_head_middle_and_tail() -> None:
    german, english = TEXTS["de"], TEXTS["en"]
    assert detect_language("\n".join([german] * 2 + [english] * 80)).language == "en"
    assert detect_language("1 2 3 " * 500 + "\n".join([german] * 40)).language == "de"


@pytest.mark.parametrize(
    ("language", "script", "tag"),
    [("sr", "Latn", "sr-Latn"), ("sr", "Cyrl", "sr-Cyrl"), ("zh", "Hani", "zh"), ("uz", "Latn", "uz"),
     ("uz", "Cyrl", "uz-Cyrl"), ("ru", "Latn", "ru"), ("en", None, "en")],
)  # fmt: skip
def test_the_script_is_in_the_tag_where_it_matters(language: str, script: str | None, tag: str) -> None:
    assert module._tag(language, script) == tag


def test_mix_names_the_second_language_and_its_share() -> None:
    text = "\n".join([TEXTS["sq"]] * 6 + [TEXTS["en"]] * 3)
    mix = detect_mix(text, "sq")
    assert [part.language for part in mix] == ["sq", "en"]
    assert mix[1].share == pytest.approx(1 / 3, abs=0.05)
    assert sum(part.share for part in mix) == pytest.approx(1.0)


def test_a_neighbour_that_one_paragraph_cannot_part_is_no_second_language() -> None:
    assert detect_mix("\n".join([TEXTS["sr-Latn"], TEXTS["hr"], TEXTS["bs"]]), "sr-Latn") == ()
    assert detect_mix("\n".join([TEXTS["zh-Hant"]] * 4 + [TEXTS["yue"]] * 2), "zh-Hant") == ()


@pytest.mark.parametrize(
    "text",
    ["", "\n".join([TEXTS["de"]] * 5), "\n".join([TEXTS["de"]] * 30 + [TEXTS["en"]]), "\n".join(["Read more"] * 9)],
    ids=["empty", "one language", "less than a tenth", "short lines"],
)
def test_no_mix(text: str) -> None:
    assert detect_mix(text, "de") == ()


@given(st.text(max_size=300))
@example("\x84Oni ne znaju da si bijesna, a \x94to je sve\ufffe.")
@example("\u0303 \u0301\n" * 40)
@example("\x00\x01 Der Gemeinderat\ud800 hat nach langer Debatte den Bau beschlossen\U0010ffff")
def test_any_text_has_a_well_formed_answer(text: str) -> None:
    for found in (detect_language(text), ask_langdetect(text)):
        if found.language == UNDETERMINED:
            assert found == DetectedLanguage(UNDETERMINED, None, (), found.script)
            continue
        scores = [candidate.score for candidate in found.candidates]
        assert found.candidates[0].language == found.language
        assert found.score == scores[0]
        assert len(scores) <= 3
        assert scores == sorted(scores, reverse=True)
        assert min(scores) > 0.0
        assert sum(scores) < 1.0001
    assert detect_language(text) == detect_language(text)
    detect_mix(text, "en")


@given(st.text(alphabet=st.characters(categories=("N", "P", "S", "Z", "Cc", "Cf")), max_size=300))
def test_without_letters_there_is_neither_language_nor_script(text: str) -> None:
    assert detect_language(text) == DetectedLanguage(UNDETERMINED, None, (), None)
