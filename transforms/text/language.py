"""The language and the script of a text.

Two detectors vote: py3langid, which knows 139 languages, and langdetect, which knows 55 and is sure of itself on the
rest too. So langdetect is heard only where py3langid hesitates, and only among the languages that langdetect knows.
Neither tells Bosnian, Croatian and Serbian in Latin script apart: the words that they do not share do, `language.toml`.

Both models are loaded when the module is imported (0.6 s of CPU time, 140 MB at its peak): forked workers share them.
"""

from __future__ import annotations

import importlib.resources
import math
import pathlib
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import langdetect
import regex
from langdetect.detector_factory import DetectorFactory
from langdetect.lang_detect_exception import LangDetectException
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from schemas.records import UNDETERMINED, LanguageCandidate

MIN_LETTERS = 16  # the letters of a sentence of 20 characters; 84 % of answers are right there, 75 % at 10 letters
MIN_LETTER_SHARE = 0.5  # letters in the characters that are not white space
MIN_PROSE_SHARE = 0.5  # characters of words as prose writes them; style sheets, JSON, hexadecimal stay below
MAX_CODE_SIGN_SHARE = 0.04  # of 12,750 prose texts in 102 languages none in Latin script has more
SAMPLE_CHARS = 1000  # head, middle and tail; more costs time and gains nothing
MAX_CANDIDATES = 3
MIN_CANDIDATE_SCORE = 0.0001
UNSURE_BELOW = 0.6  # py3langid is right in 62 % of sentences at .5 to .6, in 82 % at .6 to .7
LANGDETECT_FLOOR = 0.5  # what langdetect leaves to a language it does not see: weaker than py3langid on short texts


@dataclass(frozen=True, slots=True)
class DetectedLanguage:
    """The language of a text, how sure that is, and what else it may be."""

    language: str
    score: float | None
    candidates: tuple[LanguageCandidate, ...]
    script: str | None


def detect_language(text: str) -> DetectedLanguage:
    """The language (BCP 47), its score from 0 to 1, up to three candidates and the dominant script (ISO 15924).

    `und`, without score or candidates, when there are too few letters, when letters are a minority, or when the text is
    code. Deterministic: no state is kept from one text to the next.

    >>> detect_language("Sot në Tiranë u mblodh këshilli i ministrave.").language
    'sq'
    >>> detect_language("0x1f 0x2e 42 42 42").language
    'und'
    """
    sample = _sample(text)
    script = _dominant_script(sample)
    if script is None or not _is_prose(sample):
        return DetectedLanguage(UNDETERMINED, None, (), script)
    scores = _scores(sample, script)
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    language, score = ranked[0]
    if language == UNDETERMINED:
        return DetectedLanguage(UNDETERMINED, None, (), script)
    candidates = tuple(
        LanguageCandidate(tag, share)
        for tag, share in ranked[:MAX_CANDIDATES]
        if tag != UNDETERMINED and share >= MIN_CANDIDATE_SCORE
    )
    return DetectedLanguage(language, score, candidates, script)


def _sample(text: str) -> str:
    if len(text) <= SAMPLE_CHARS:
        return text
    third, middle = SAMPLE_CHARS // 3, len(text) // 2
    return " ".join((text[:third], text[middle - third // 2 : middle + third // 2], text[-third:]))


# Letters with their marks: in Thaana and the scripts of India every second character is a mark.
_LETTER = regex.compile(r"[\p{L}\p{M}]")
_SPACE = regex.compile(r"\s+")
_OTHER_SCRIPT = regex.compile(r"[[\p{L}\p{M}]--[\p{Latin}\p{Common}\p{Inherited}]]", regex.VERSION1)
# A word as prose writes it: nothing but punctuation around it. Identifiers, paths, tags and JSON keys are none.
_OPEN, _CLOSE = r"""[(\["'«»“„‘¿¡-]*+""", r"""[)\]"'»«”’“]*+"""
_PROSE_WORD = regex.compile(
    rf"""(?<!\S){_OPEN}[\p{{L}}\p{{M}}][\p{{L}}\p{{M}}'’·-]*+(?!["']:){_CLOSE}[.,;:!?…]*+{_CLOSE}(?!\S)"""
)
_CODE_SIGN = regex.compile(r"[{}<>=_|\\$#*&;]|\w\(")


def _is_prose(sample: str) -> bool:
    visible = len(_SPACE.sub("", sample))
    letters = len(_LETTER.findall(sample))
    if letters < MIN_LETTERS or letters < MIN_LETTER_SHARE * visible:
        return False
    # Code is written in Latin letters; other scripts have no spaces, or punctuation of their own.
    if 4 * len(_OTHER_SCRIPT.findall(sample)) > letters:
        return True
    words = sum(map(len, _PROSE_WORD.findall(sample)))
    return words >= MIN_PROSE_SHARE * visible and len(_CODE_SIGN.findall(sample)) <= MAX_CODE_SIGN_SHARE * visible


# ISO 15924 codes of the scripts of living languages, by their Unicode name.
_SCRIPTS = {
    "Latin": "Latn", "Cyrillic": "Cyrl", "Greek": "Grek", "Arabic": "Arab", "Hebrew": "Hebr", "Armenian": "Armn",
    "Georgian": "Geor", "Devanagari": "Deva", "Bengali": "Beng", "Gurmukhi": "Guru", "Gujarati": "Gujr",
    "Oriya": "Orya", "Tamil": "Taml", "Telugu": "Telu", "Kannada": "Knda", "Malayalam": "Mlym", "Sinhala": "Sinh",
    "Thai": "Thai", "Lao": "Laoo", "Tibetan": "Tibt", "Myanmar": "Mymr", "Khmer": "Khmr", "Ethiopic": "Ethi",
    "Hangul": "Hang", "Hiragana": "Hira", "Katakana": "Kana", "Han": "Hani", "Thaana": "Thaa", "Mongolian": "Mong",
    "Syriac": "Syrc", "Cherokee": "Cher", "Canadian_Aboriginal": "Cans", "Tifinagh": "Tfng", "Nko": "Nkoo",
    "Javanese": "Java", "Ol_Chiki": "Olck", "Meetei_Mayek": "Mtei", "Adlam": "Adlm", "Yi": "Yiii",
}  # fmt: skip
_SCRIPT_OF = regex.compile(
    "|".join(rf"(?P<{code}>[\p{{{name}}}&&\p{{L}}]+)" for name, code in _SCRIPTS.items()), regex.VERSION1
)


def _dominant_script(sample: str) -> str | None:
    counts: Counter[str] = Counter()
    for run in _SCRIPT_OF.finditer(sample):
        counts[run.lastgroup or ""] += run.end() - run.start()
    kana = counts.pop("Hira", 0) + counts.pop("Kana", 0)
    if kana:
        # Japanese mixes three scripts, and has a code for the mixture; Korean too, rarely.
        counts["Jpan"] = kana + counts.pop("Hani", 0)
    if "Hang" in counts:
        counts["Kore"] = counts.pop("Hang")
    return max(counts, key=lambda script: (counts[script], script)) if counts else None


# What py3langid says, where BCP 47 or common sense says it otherwise. It has no class for Sorani and Tibetan and gives
# their small neighbours, Southern Kurdish and Dzongkha: on the web the text is nearly always in the large one.
_TAGS = {"kik": "ki", "gug": "gn", "uzs": "uz", "sdh": "ckb", "dz": "bo", "zxx": UNDETERMINED}
_LANGDETECT_TAGS = {"zh-cn": "zh", "zh-tw": "zh"}
# Unknown to both detectors, and told by their letters: Maldivian by its script, Sindhi by letters that Arabic, Persian,
# Urdu and Pashto do not have (Saraiki, rare in writing, shares some).
_OWN_LETTERS = {"dv": regex.compile(r"\p{Thaana}"), "sd": regex.compile("[ٻڄڃڀٺڏڊڍڦڳڻ]")}
MIN_OWN_LETTER_SHARE = 0.02

_IDENTIFIER = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _load_langdetect() -> DetectorFactory:
    """A factory of our own: its seed is set, nobody else's calls change it, and the profiles come in a fixed order."""
    profiles = pathlib.Path(langdetect.__file__).parent / "profiles"
    factory = DetectorFactory()
    factory.seed = 0
    factory.load_json_profile([path.read_text(encoding="utf-8") for path in sorted(profiles.iterdir())])
    return factory


_LANGDETECT = _load_langdetect()
_LANGDETECT_KNOWS = frozenset(_LANGDETECT_TAGS.get(tag, tag) for tag in _LANGDETECT.get_lang_list())


def _scores(sample: str, script: str) -> dict[str, float]:
    """Share of the evidence for each language, adding up to 1."""
    letters = len(_LETTER.findall(sample))
    for language, own in _OWN_LETTERS.items():
        if len(own.findall(sample)) >= MIN_OWN_LETTER_SHARE * letters:
            return {language: 1.0}
    scores: dict[str, float] = {}
    for label, probability in _IDENTIFIER.rank(sample):
        tag = _TAGS.get(label, label)
        scores[tag] = scores.get(tag, 0.0) + probability
    if max(scores.values()) < UNSURE_BELOW and (second := _langdetect_probabilities(sample)):
        # Only what both know is divided anew: a language that langdetect does not know loses nothing by its silence.
        scores = _divide_anew(scores, {tag: LANGDETECT_FLOOR + second.get(tag, 0.0) for tag in _LANGDETECT_KNOWS})
    if script == "Latn" and sum(scores.get(tag, 0.0) for tag in _SOUTH_SLAVIC) >= MIN_SOUTH_SLAVIC_SCORE:
        scores = _divide_anew(scores, _south_slavic_weights(sample))
    return scores


def _divide_anew(scores: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """The scores with those of the weighted languages in new proportions and their sum as before.

    >>> _divide_anew({"hr": 0.25, "sr": 0.25, "sl": 0.5}, {"hr": 1.0, "sr": 3.0})
    {'hr': 0.125, 'sr': 0.375, 'sl': 0.5}
    """
    weighted = {tag: score * weights[tag] for tag, score in scores.items() if tag in weights}
    before = math.fsum(scores[tag] for tag in weighted)
    after = math.fsum(weighted.values())
    if not after:
        return dict(scores)
    return {tag: weighted[tag] * (before / after) if tag in weighted else score for tag, score in scores.items()}


# Development documents right in the ten languages of the Balkans: 85 % by py3langid alone, 98 % with these words.
_SOUTH_SLAVIC = ("bs", "hr", "sr")
MIN_SOUTH_SLAVIC_SCORE = 0.5
MAX_SOUTH_SLAVIC_WORDS = 2  # words more on one side than on the other that count
SOUTH_SLAVIC_WORD_WEIGHT = 16.0  # odds of one such word; two leave the neighbour among the candidates


def _load_words() -> dict[str, regex.Pattern[str]]:
    """A pattern for each list of `language.toml`: stems at the start of a word, whole words where a blank ends them."""
    source = importlib.resources.files("transforms.text").joinpath("language.toml")
    lists = tomllib.loads(source.read_text(encoding="utf-8"))
    return {
        name: regex.compile(
            r"\b(?:" + "|".join(word.rstrip() + r"\b" * word.endswith(" ") for word in words) + ")", regex.I
        )
        for name, words in lists.items()
    }


_WORDS = _load_words()


def _south_slavic_weights(sample: str) -> dict[str, float]:
    """Weights of Bosnian, Croatian and Serbian by the words that they do not share."""

    def more(one: str, other: str) -> int:
        difference = len(_WORDS[one].findall(sample)) - len(_WORDS[other].findall(sample))
        return max(-MAX_SOUTH_SLAVIC_WORDS, min(MAX_SOUTH_SLAVIC_WORDS, difference))

    return {
        "bs": 1.0,
        "sr": SOUTH_SLAVIC_WORD_WEIGHT ** more("ekavian", "ijekavian"),
        "hr": SOUTH_SLAVIC_WORD_WEIGHT ** more("croatian", "international"),
    }


def _langdetect_probabilities(sample: str) -> dict[str, float]:
    detector = _LANGDETECT.create()
    detector.append(sample)
    try:
        found = detector.get_probabilities()
    except LangDetectException:  # no letter that any of its profiles has: no opinion
        return {}
    probabilities: dict[str, float] = {}
    for language in found:
        tag = _LANGDETECT_TAGS.get(language.lang, language.lang)
        probabilities[tag] = probabilities.get(tag, 0.0) + language.prob
    return probabilities
