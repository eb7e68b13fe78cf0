"""The language and the script of a text, and the shares of the languages that its paragraphs are in.

Three detectors vote: py3langid (135 languages), CLD2 (162) and, where those two disagree or are unsure, langdetect
(54). Each is sure of itself on languages that it does not know, so a language is judged only by those that know it.
None tells Bosnian, Croatian and Serbian in Latin script apart: the words that they do not share do, `language.toml`.

langdetect is heard through langdetect-rs, its port to Rust: the same answers to the last bit, forty times faster.
The models are loaded when the module is imported (0.6 s of CPU time, 140 MB at its peak): forked workers share them.
"""

from __future__ import annotations

import functools
import importlib.resources
import math
import pathlib
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import langdetect
import langdetect_rs
import pycld2
import regex
from langdetect.detector_factory import DetectorFactory
from langdetect.lang_detect_exception import LangDetectException
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from schemas.records import UNDETERMINED, LanguageCandidate, LanguageShare
from transforms.text.script import Writing, look_at

SAMPLE_CHARS = 1000  # head, middle and tail; more costs time and gains nothing
PY3LANGID_CHARS = 100  # it takes three times as long as the others, and beside them 1000 gain nothing
MAX_CANDIDATES = 3
MIN_CANDIDATE_SCORE = 0.0001
MIN_MIX_SHARE = 0.1  # of the letters, for a second language
MIN_MIX_LETTERS = 40  # of a paragraph that counts as another language; shorter ones are names and quotes
MIN_MIX_SCORE = 0.8  # of paragraphs scored .8 to .9, 97 % are right
MIX_CHARS = 20_000  # what is read for the mix

_SOUTH_SLAVIC = ("bs", "hr", "sr")
# Neighbours that one paragraph is too little to part.
_FAMILIES = (frozenset(_SOUTH_SLAVIC), frozenset({"yue", "zh"}), frozenset({"id", "ms"}), frozenset({"da", "nn", "no"}))


@dataclass(frozen=True, slots=True)
class DetectedLanguage:
    """The language of a text, how sure that is, and what else it may be."""

    language: str
    score: float | None
    candidates: tuple[LanguageCandidate, ...]
    script: str | None


def detect_language(text: str) -> DetectedLanguage:
    """The language (BCP 47), its score from 0 to 1, up to three candidates and the dominant script (ISO 15924).

    Serbian and Chinese carry their script (`sr-Latn`, `zh-Hant`), other languages where it is not the usual one. `und`,
    without score or candidates, when there are too few letters, when letters are a minority, or when the text is code.
    Deterministic: no state is kept from one text to the next.

    >>> detect_language("Sot në Tiranë u mblodh këshilli i ministrave.").language
    'sq'
    >>> detect_language("0x1f 0x2e 42 42 42").language
    'und'
    """
    sample = _UNREADABLE.sub(" ", _sample(text, SAMPLE_CHARS))
    writing = look_at(sample)
    return _answer(_scores(sample, text, writing) if writing.is_prose else {}, writing.script)


def detect_mix(text: str, main: str) -> tuple[LanguageShare, ...]:
    """The languages that have at least a tenth of the letters, largest share first; empty when there is only one.

    Paragraphs (lines) are told apart, never words within one; a paragraph that is short or not surely in another
    language counts as `main`, the language of the whole. Reads the first 20,000 characters. Deterministic.
    """
    text = text[:MIX_CHARS]
    # CLD2 on the whole costs a twentieth of the paragraphs one by one, and sees most second languages.
    if sum(share >= MIN_MIX_SHARE / 2 for share in _cld2(_UNREADABLE.sub(" ", text)).values()) < 2:
        return ()
    letters: Counter[str] = Counter()
    for paragraph in text.split("\n"):
        length = sum(map(str.isalpha, paragraph))
        letters[_language_beside(main, paragraph) if length >= MIN_MIX_LETTERS else main] += length
    total = letters.total()
    shares = [LanguageShare(tag, n / total) for tag, n in letters.items() if n and n >= MIN_MIX_SHARE * total]
    return tuple(sorted(shares, key=lambda part: (-part.share, part.language))) if len(shares) > 1 else ()


def _language_beside(main: str, paragraph: str) -> str:
    """The language of a paragraph where that is surely another one than `main`, else `main`."""
    found = detect_language(paragraph)
    is_sure = found.score is not None and found.score >= MIN_MIX_SCORE
    return found.language if is_sure and _family(found.language) != _family(main) else main


def _family(language: str) -> frozenset[str]:
    primary = language.partition("-")[0]
    return next((family for family in _FAMILIES if primary in family), frozenset({primary}))


def ask_langdetect(text: str) -> DetectedLanguage:
    """What langdetect says of a text by itself, on its first 10,000 characters; `und` where it sees no letters.

    Deterministic: its seed is set to 0 for each text. It knows 55 languages, and Serbian is none of them.
    """
    detector = _langdetect_factory().create()
    detector.append(text[: detector.max_text_length])
    script = look_at(_sample(text, SAMPLE_CHARS)).script
    try:
        found = detector.get_probabilities()
    except LangDetectException:  # no letter that any of its profiles has
        return _answer({}, script)
    return _answer({_LANGDETECT_SCRIPTS.get(one.lang, one.lang): one.prob for one in found}, script)


def _answer(scores: Mapping[str, float], script: str | None) -> DetectedLanguage:
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    if not ranked or ranked[0][0] == UNDETERMINED:
        return DetectedLanguage(UNDETERMINED, None, (), script)
    candidates = tuple(
        LanguageCandidate(_tag(language, script), score)
        for language, score in ranked[:MAX_CANDIDATES]
        if language != UNDETERMINED and score >= MIN_CANDIDATE_SCORE
    )
    return DetectedLanguage(candidates[0].language, candidates[0].score, candidates, script)


# The scripts that a tag names: for Serbian and Chinese always, for others where it is not the one they mostly use.
_TAGGED_SCRIPTS = {
    "az": {"Arab", "Cyrl"}, "bs": {"Cyrl"}, "kk": {"Arab", "Latn"}, "ku": {"Arab", "Cyrl"}, "ky": {"Arab", "Latn"},
    "mn": {"Mong"}, "ms": {"Arab"}, "pa": {"Arab"}, "sd": {"Deva"}, "sr": {"Cyrl", "Latn"}, "tg": {"Arab", "Latn"},
    "tk": {"Arab", "Cyrl"}, "tt": {"Latn"}, "ug": {"Cyrl", "Latn"}, "uz": {"Arab", "Cyrl"}, "zh": {"Hans", "Hant"},
}  # fmt: skip


def _tag(language: str, script: str | None) -> str:
    return f"{language}-{script}" if script in _TAGGED_SCRIPTS.get(language, ()) else language


def _sample(text: str, chars: int) -> str:
    if len(text) <= chars:
        return text
    third, middle = chars // 3, len(text) // 2
    return " ".join((text[:third], text[middle - third // 2 : middle + third // 2], text[-third:]))


# CLD2 refuses these; a line break is a blank to all.
_UNREADABLE = regex.compile(r"[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]+")


@dataclass(frozen=True, slots=True)
class _Voice:
    """What one detector says, and how far that reaches."""

    probabilities: Mapping[str, float]
    knows: frozenset[str]
    weight: float
    floor: float  # what it leaves to a language it does not see


# Equally good on either half of 102 languages. Within a factor of two none moves documents and paragraphs by more than
# 0.1 %, sentences by more than 0.6 %.
# py3langid is the best on short texts and has graded probabilities, the others know one answer at a time.
PY3LANGID_WEIGHT, PY3LANGID_FLOOR = 1.0, 0.003
CLD2_WEIGHT, CLD2_FLOOR = 0.5, 0.05
LANGDETECT_WEIGHT, LANGDETECT_FLOOR = 0.5, 0.1
SURE = 0.9  # of the two faster detectors; below, langdetect is asked too
SHARPNESS = 2.0  # makes the mean score the share of right answers, from 9 letters to whole documents

# What the detectors say, where BCP 47 or common sense says it otherwise. Dialects of Arabic and Wu are written in the
# standard language nearly always. py3langid has no class for Sorani and gives its small neighbour, Southern Kurdish;
# for Tibetan it says Dzongkha, so it has no say there. What CLD2 calls Kurdish is Sorani.
_PY3LANGID_TAGS = {
    "kik": "ki", "gug": "gn", "uzs": "uz", "sdh": "ckb", "arz": "ar", "ary": "ar", "wuu": "zh", "dz": "",
    "zxx": UNDETERMINED,
}  # fmt: skip
_CLD2_TAGS = {"iw": "he", "jw": "jv", "zh-Hant": "zh", "ku": "ckb", "bh": "bho", "un": "", "tlh": "", "zzp": ""}
_LANGDETECT_TAGS = {"zh-cn": "zh", "zh-tw": "zh"}
_LANGDETECT_SCRIPTS = {"zh-cn": "zh-Hans", "zh-tw": "zh-Hant"}

_PY3LANGID = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _ready(factory: Any) -> Any:
    """A factory of our own: its seed is set, nobody else's calls change it, and the profiles come in a fixed order."""
    profiles = pathlib.Path(langdetect.__file__).parent / "profiles"
    factory.set_seed(0)
    factory.load_json_profile([path.read_text(encoding="utf-8") for path in sorted(profiles.iterdir())])
    return factory


_LANGDETECT_RS = _ready(langdetect_rs.DetectorFactory())


@functools.cache
def _langdetect_factory() -> DetectorFactory:
    return _ready(DetectorFactory())


def _known(labels: Iterable[str], tags: Mapping[str, str]) -> frozenset[str]:
    return frozenset(tags.get(label, label) for label in labels) - {""}


_PY3LANGID_KNOWS = _known(_PY3LANGID.labels, _PY3LANGID_TAGS)
_CLD2_KNOWS = _known((code for name, code in pycld2.LANGUAGES if name in pycld2.DETECTED_LANGUAGES), _CLD2_TAGS)
_LANGDETECT_KNOWS = _known(_LANGDETECT_RS.get_lang_list(), _LANGDETECT_TAGS)


def _retag(found: Iterable[tuple[str, float]], tags: Mapping[str, str]) -> dict[str, float]:
    probabilities: dict[str, float] = {}
    for label, probability in found:
        if probability >= MIN_CANDIDATE_SCORE and (tag := tags.get(label, label)):  # few of 135 are
            probabilities[tag] = probabilities.get(tag, 0.0) + probability
    return probabilities


def _cld2(readable: str) -> dict[str, float]:
    """Shares of the text by language, three at most."""
    _, _, found = pycld2.detect(readable, isPlainText=True, bestEffort=True)
    return _retag(((code, percent / 100) for _, code, percent, _ in found if not code.startswith("xx")), _CLD2_TAGS)


def _langdetect(sample: str) -> dict[str, float]:
    detector = _LANGDETECT_RS.create()
    detector.append(sample)
    try:
        found = detector.get_probabilities()
    except langdetect_rs.LangDetectException:  # no letter that any of its profiles has: no opinion
        return {}
    return _retag(((one.lang, one.prob) for one in found), _LANGDETECT_TAGS)


def _vote(sample: str) -> dict[str, float]:
    """Share of the evidence for each language, adding up to 1."""
    ranked = _retag(_PY3LANGID.rank(_sample(sample, PY3LANGID_CHARS)), _PY3LANGID_TAGS)
    voices = [
        _Voice(ranked, _PY3LANGID_KNOWS, PY3LANGID_WEIGHT, PY3LANGID_FLOOR),
        _Voice(_cld2(sample), _CLD2_KNOWS, CLD2_WEIGHT, CLD2_FLOOR),
    ]
    scores = _pool(voices)
    if max(scores.values(), default=0.0) >= SURE:
        return scores
    return _pool([*voices, _Voice(_langdetect(sample), _LANGDETECT_KNOWS, LANGDETECT_WEIGHT, LANGDETECT_FLOOR)])


def _pool(voices: list[_Voice]) -> dict[str, float]:
    """A logarithmic opinion pool: for each language the geometric mean of what the voices that know it give to it."""
    voices = [voice for voice in voices if voice.probabilities]
    pooled: dict[str, float] = {}
    for language in sorted({language for voice in voices for language in voice.probabilities.keys() & voice.knows}):
        heard = [voice for voice in voices if language in voice.knows]
        logarithms = (
            voice.weight * math.log(voice.probabilities.get(language, 0.0) * (1 - voice.floor) + voice.floor)
            for voice in heard
        )
        pooled[language] = math.exp(SHARPNESS * math.fsum(logarithms) / sum(voice.weight for voice in heard))
    total = math.fsum(pooled.values())
    return {language: score / total for language, score in pooled.items()}


# The scripts in which nearly all that is written is in one language.
_LANGUAGE_OF_SCRIPT = {
    "Armn": "hy", "Cher": "chr", "Geor": "ka", "Grek": "el", "Gujr": "gu", "Guru": "pa", "Jpan": "ja", "Khmr": "km",
    "Knda": "kn", "Kore": "ko", "Laoo": "lo", "Mlym": "ml", "Mtei": "mni", "Mymr": "my", "Nkoo": "nqo", "Olck": "sat",
    "Orya": "or", "Sinh": "si", "Taml": "ta", "Telu": "te", "Thaa": "dv", "Thai": "th",
}  # fmt: skip
MIN_SCRIPT_SHARE = 0.75  # all 2,100 development texts with more are right; below, the detectors are asked


def _scores(sample: str, text: str, writing: Writing) -> dict[str, float]:
    if writing.script in _LANGUAGE_OF_SCRIPT and writing.share >= MIN_SCRIPT_SHARE:
        return {_LANGUAGE_OF_SCRIPT[writing.script]: 1.0}
    scores = _vote(sample)
    if writing.script in {"Hans", "Hant", "Hani"}:
        return _divide_anew(scores, _chinese_weights(sample))
    if writing.script == "Latn" and sum(scores.get(tag, 0.0) for tag in _SOUTH_SLAVIC) >= MIN_SOUTH_SLAVIC_SCORE:
        return _divide_anew(scores, _south_slavic_weights(text[:SOUTH_SLAVIC_CHARS]), SOUTH_SLAVIC_TRUST)
    return scores


def _divide_anew(scores: Mapping[str, float], weights: Mapping[str, float], trust: float = 1.0) -> dict[str, float]:
    """The scores with those of the weighted languages in new proportions and their sum as before.

    Args:
        scores: Share of the evidence by language.
        weights: Odds of the languages among each other.
        trust: Exponent of the old proportions; 0 forgets them.

    >>> _divide_anew({"hr": 0.25, "sr": 0.25, "sl": 0.5}, {"hr": 1.0, "sr": 3.0})
    {'hr': 0.125, 'sr': 0.375, 'sl': 0.5}
    """
    weighted = {tag: scores.get(tag, MIN_CANDIDATE_SCORE) ** trust * weight for tag, weight in weights.items()}
    before, after = (math.fsum(part.values()) for part in ({tag: scores.get(tag, 0.0) for tag in weights}, weighted))
    return {**scores, **{tag: weight * before / after for tag, weight in weighted.items()}}


# Letters of Cantonese that standard Chinese does not write. Of 25 Cantonese documents 22 have 3 % of them, three are in
# the standard language; of 25 in traditional Chinese none has 1 %.
_CANTONESE = regex.compile("[嘅咗喺佢哋冇唔嚟嘢啲嗰乜咁係]")
MIN_CANTONESE_SHARE = 0.02
CANTONESE_ODDS = 100.0


def _chinese_weights(sample: str) -> dict[str, float]:
    cantonese = len(_CANTONESE.findall(sample)) >= MIN_CANTONESE_SHARE * len(sample)
    return {"yue": CANTONESE_ODDS if cantonese else 1 / CANTONESE_ODDS, "zh": 1.0}


SOUTH_SLAVIC_CHARS = 10_000  # telling words are rare: the sample has too few
MIN_SOUTH_SLAVIC_SCORE = 0.5
SOUTH_SLAVIC_TRUST = 0.15  # the detectors are right in half of the sentences, and sure in most
MAX_SOUTH_SLAVIC_WORDS = 2  # words more on one side than on the other that count
SOUTH_SLAVIC_WORD_WEIGHT = 16.0  # odds of one such word; two leave the neighbour among the candidates


def _load_words() -> dict[str, frozenset[str]]:
    """The lists of `language.toml` that each stem is in; one that ends in a blank is a whole word."""
    source = importlib.resources.files("transforms.text").joinpath("language.toml")
    lists = tomllib.loads(source.read_text(encoding="utf-8"))
    stems = {stem for words in lists.values() for stem in words}
    return {stem: frozenset(name for name, words in lists.items() if stem in words) for stem in stems}


_STEMS = _load_words()
_LONGEST_STEM = max(map(len, _STEMS))
_WORD = regex.compile(r"\p{L}+")


def _south_slavic_weights(text: str) -> dict[str, float]:
    """Weights of Bosnian, Croatian and Serbian by the words that they do not share."""
    found: Counter[str] = Counter()
    for word in _WORD.findall(text.lower()):
        word_and_blank = f"{word} "
        ends = range(2, min(len(word_and_blank), _LONGEST_STEM) + 1)
        found.update({name for end in ends for name in _STEMS.get(word_and_blank[:end], ())})

    def more(one: str, other: str) -> int:
        return max(-MAX_SOUTH_SLAVIC_WORDS, min(MAX_SOUTH_SLAVIC_WORDS, found[one] - found[other]))

    return {
        "bs": 1.0,
        "sr": SOUTH_SLAVIC_WORD_WEIGHT ** more("ekavian", "ijekavian"),
        "hr": SOUTH_SLAVIC_WORD_WEIGHT ** more("croatian", "international"),
    }
