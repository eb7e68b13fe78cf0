"""The script that a text is written in, and whether it is prose at all."""

from __future__ import annotations

import functools
from collections import Counter
from typing import NamedTuple

import regex

MIN_LETTERS = 16  # of a sentence of 20 characters; 88 % of the answers are right there, 78 % at 9 letters
MIN_LETTER_SHARE = 0.5  # letters in the characters that are not white space
MIN_PROSE_SHARE = 0.5  # characters of words as prose writes them; style sheets, JSON, hexadecimal stay below
PLAIN_LETTER_SHARE = 0.95  # with so many letters, and no sign of code, words need not be looked at
MIN_KANA_SHARE = 0.1
MAX_CODE_SIGN_SHARE = 0.04  # of 12,750 prose texts in 102 languages none in Latin script has more

# A word as prose writes it: nothing but punctuation around it. Identifiers, paths, tags and JSON keys are none.
_OPEN, _CLOSE = r"""[(\["'«»“„‘¿¡-]*+""", r"""[)\]"'»«”’“]*+"""
_PROSE_WORD = regex.compile(
    rf"""(?<!\S){_OPEN}[\p{{L}}\p{{M}}][\p{{L}}\p{{M}}'’·-]*+(?!["']:){_CLOSE}[.,;:!?…]*+{_CLOSE}(?!\S)"""
)
_CODE_SIGNS = r"{}<>=_|\$#*&;"
_CALL = regex.compile(r"\w\(")
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
_LETTER = regex.compile(
    "|".join(rf"(?P<{code}>[\p{{{name}}}&&\p{{L}}])" for name, code in _SCRIPTS.items()) + r"|(?P<none>[\p{L}\p{M}])",
    regex.VERSION1,
)


class Writing(NamedTuple):
    """What the characters of a text say before any detector is asked."""

    script: str | None  # the dominant one, ISO 15924; None without letters
    share: float  # of the letters, in that script
    is_prose: bool  # and enough of it: digits, code, JSON, hexadecimal and a dozen letters are not


def look_at(text: str) -> Writing:
    """The dominant script of a text, its share, and whether the text is prose. Deterministic.

    >>> look_at("Градско веће је одобрило изградњу.")
    Writing(script='Cyrl', share=1.0, is_prose=True)
    >>> look_at("x = 12").is_prose
    False
    """
    characters = Counter(text)
    scripts: Counter[str] = Counter()
    for character, count in characters.items():
        if code := _script_of(character):
            scripts[code] += count
    letters_and_marks = scripts.total()
    del scripts["none"]
    other_scripts = scripts.total() - scripts["Latn"]
    scripts = _merged(scripts)
    if not scripts:
        return Writing(None, 0.0, is_prose=False)
    script = max(scripts, key=lambda code: (scripts[code], code))
    share = scripts[script] / scripts.total()
    is_prose = _is_prose(text, characters, letters_and_marks, other_scripts)
    return Writing(_simplified_or_traditional(text) if script == "Hani" else script, share, is_prose)


def _is_prose(text: str, characters: Counter[str], letters: int, other_scripts: int) -> bool:
    visible = sum(count for character, count in characters.items() if not character.isspace())
    # With their marks: in Thaana and the scripts of India every second character is one.
    if letters < MIN_LETTERS or letters < MIN_LETTER_SHARE * visible:
        return False
    # Code is written in Latin letters; other scripts have no spaces, or punctuation of their own.
    if 4 * other_scripts > letters:
        return True
    signs = sum(map(characters.__getitem__, _CODE_SIGNS)) + len(_CALL.findall(text))
    if not signs and letters >= PLAIN_LETTER_SHARE * visible:
        return True
    if signs > MAX_CODE_SIGN_SHARE * visible:
        return False
    enough = MIN_PROSE_SHARE * visible
    if sum(map(len, filter(str.isalpha, text.split()))) >= enough:  # nearly always, and in a sixth of the time
        return True
    return sum(map(len, _PROSE_WORD.findall(text))) >= enough


@functools.lru_cache(maxsize=4096)
def _script_of(character: str) -> str | None:
    """ISO 15924 code of a letter, `none` for marks and the letters of all scripts, None for what is no letter."""
    found = _LETTER.match(character)
    return found.lastgroup if found else None


def _merged(scripts: Counter[str]) -> Counter[str]:
    """Japanese mixes three scripts, and has a code for the mixture; Korean too, rarely."""
    counts = +scripts
    kana = counts["Hira"] + counts["Kana"]
    # A Chinese text may hold a Japanese name; Japanese ones are two fifths kana, headlines a fifth.
    if kana > MIN_KANA_SHARE * (kana + counts["Hani"]):
        counts["Jpan"] = kana + counts["Hani"]
        del counts["Hira"], counts["Kana"], counts["Hani"]
    if counts["Hang"]:
        counts["Kore"] = counts.pop("Hang")
    return +counts


def _simplified_or_traditional(sample: str) -> str:
    """Told by the national character sets, each of which has only its own forms.

    Never wrong in 375 texts; 11 short ones have no character that differs.


    >>> [_simplified_or_traditional(text) for text in ("这是简体", "這是繁體", "人山人海")]
    ['Hans', 'Hant', 'Hani']
    """
    simplified, traditional = (len(sample.encode(charset, "ignore")) for charset in ("gb2312", "big5"))
    return "Hani" if simplified == traditional else "Hans" if simplified > traditional else "Hant"
