"""What decides whether a readable record is kept. Apart from the cleaning itself, which takes seconds to import."""

from __future__ import annotations

import dataclasses

DETECTORS = ("ensemble", "langdetect")
"""Who may tell the language."""


@dataclasses.dataclass(frozen=True, slots=True)
class CleaningOptions:
    """What decides whether a readable record is kept."""

    languages: tuple[str, ...] = ()  # BCP 47, with a script or, for all scripts, without; empty keeps every language
    min_letters: int = 10  # fewer, and a text says too little to be worth a row
    language_detector: str = "ensemble"  # one of `DETECTORS`

    def __post_init__(self) -> None:
        if self.language_detector not in DETECTORS:
            raise ValueError(
                f"language_detector is {self.language_detector!r}; it must be one of {', '.join(DETECTORS)}"
            )
        if self.min_letters < 1:
            raise ValueError(f"min_letters is {self.min_letters}; it must be at least 1")
