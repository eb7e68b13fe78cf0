"""The options of a run, told once: the command line, `millstream.toml` and the README's table come from the fields."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
import re
import tomllib
import typing
from pathlib import Path
from typing import Any

CONFIG_FILE = "millstream.toml"


class UsageError(Exception):
    """A mistake of the user's: one sentence that names the value and the cure."""


def option(default: Any, text: str, *, decides_rows: bool = True) -> Any:
    """An option with its help text; `decides_rows` says whether the published rows depend on it."""
    return dataclasses.field(default=default, metadata={"help": text, "decides_rows": decides_rows})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Everything that `millstream run` can be told. Impossible values are refused here, with `UsageError`."""

    inputs: tuple[str, ...] = option((), "Files, folders, globs or URIs to read.")
    output: str = option("", "Folder or URI that the snapshots go to.", decides_rows=False)
    dedup: bool = option(True, "Reject duplicates: exact, of one address, and near.")
    keep: str = option("first", "Which of its duplicates a cluster keeps: first, longest or newest.")
    language: tuple[str, ...] = option((), "Keep these languages only, as en,sq,sr-Latn; the others become rejects.")
    language_detector: str = option("ensemble", "Who tells the language: ensemble, or langdetect alone.")
    min_letters: int = option(10, "Reject texts with fewer letters.")
    on_delete: str = option("keep", "Documents of files that are gone: keep or drop them.", decides_rows=False)
    verify: bool = option(False, "Tell by their sha256 which files changed, not by size and time.", decides_rows=False)
    rebuild: bool = option(False, "Read all files again, as after a change of the configuration.", decides_rows=False)
    workers: int = option(0, "Worker processes; 0 is one for each core.", decides_rows=False)
    max_record_bytes: int = option(16 << 20, "Quarantine records that are larger, in bytes.")
    max_memory_bytes: int = option(
        1 << 30, "Quarantine records that need more memory to clean, in bytes.", decides_rows=False
    )
    timeout_seconds: float = option(
        10.0, "Quarantine records that take longer to clean, in seconds.", decides_rows=False
    )
    max_quarantine: float = option(
        0.05, "Exit with 3 when a larger share of the records is quarantined.", decides_rows=False
    )
    text_column: str | None = option(None, "Column or key that holds the text, in CSV, JSON Lines and Parquet.")
    url_column: str | None = option(None, "Column or key that holds the address.")
    title_column: str | None = option(None, "Column or key that holds the title.")
    date_column: str | None = option(None, "Column or key that holds the date of publication.")
    id_column: str | None = option(None, "Column or key that names the record.")
    dry_run: bool = option(False, "Show what would be read, by format and size, and stop.", decides_rows=False)
    log_format: str = option("text", "Log lines as text or as json.", decides_rows=False)
    beam: tuple[str, ...] = option((), "Options for Beam itself; on the command line after --.", decides_rows=False)

    def __post_init__(self) -> None:
        if not self.inputs:
            raise UsageError("no input was given: name at least one file, folder or glob")
        if not self.output and not self.dry_run:
            raise UsageError("no output was given: name a folder with --output")
        if "://" not in self.output and os.path.exists(self.output) and not os.path.isdir(self.output):
            raise UsageError(f"the output {self.output!r} is a file: name a folder with --output")
        self._require_minimum("workers", 0)
        for name in ("min_letters", "max_record_bytes", "max_memory_bytes"):
            self._require_minimum(name, 1)
        if not self.timeout_seconds > 0:
            raise UsageError(f"timeout-seconds is {self.timeout_seconds:g}: it must be above 0")
        if not 0 <= self.max_quarantine <= 1:
            raise UsageError(f"max-quarantine is {self.max_quarantine:g}: it must be a share from 0 to 1")
        self._require_choice("log_format", "text", "json")
        self._require_choice("on_delete", "keep", "drop")
        self._require_choice("keep", "first", "longest", "newest")
        self._require_choice("language_detector", "ensemble", "langdetect")
        if self.language:
            _require_languages(self.language)

    def _require_choice(self, name: str, *choices: str) -> None:
        if getattr(self, name) not in choices:
            raise UsageError(f"{name.replace('_', '-')} is {getattr(self, name)!r}: it must be {' or '.join(choices)}")

    def _require_minimum(self, name: str, minimum: int) -> None:
        if getattr(self, name) < minimum:
            raise UsageError(f"{name.replace('_', '-')} is {getattr(self, name)}: it must be at least {minimum}")

    def decisive(self) -> dict[str, Any]:
        """The options that decide what the rows say; the inputs are not among them."""
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.metadata["decides_rows"] and field.name != "inputs"
        }
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def config_sha256(self) -> str:
        """sha256, in hexadecimal, of `decisive`."""
        return hashlib.sha256(json.dumps(self.decisive(), sort_keys=True).encode()).hexdigest()


def _require_languages(codes: tuple[str, ...]) -> None:
    from babel import Locale  # noqa: PLC0415  # a third of what the command line takes to start

    english = Locale("en")
    for code in codes:
        language, _, script = code.partition("-")
        if language not in english.languages or (script and script not in english.scripts):
            hint = "separate several by commas"
            if language.lower() in english.languages and script.title() in {"", *english.scripts}:
                hint = f"did you mean {'-'.join(filter(None, (language.lower(), script.title())))}?"
            raise UsageError(f"language {code!r} is no code such as en or sr-Latn: {hint}")


def parse(name: str, text: str) -> Any:
    """The value of an option from its text on the command line; raises `ValueError`."""
    kind = typing.get_type_hints(RunOptions)[name]
    if kind == tuple[str, ...]:
        return parse_list(text)
    return kind(text) if kind in (int, float) else text


UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(name: str, text: str) -> float:
    """The seconds of a duration such as 90s, 30m, 26h or 2d; raises `UsageError`, which calls it by the option's name.

    >>> parse_duration("max-age", "26h")
    93600.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not match:
        raise UsageError(f"{name} is {text!r}: it must be a number of s, m, h or d, such as 26h")
    return float(match[1]) * UNIT_SECONDS[match[2]]


def parse_list(text: str) -> tuple[str, ...]:
    """The parts of a text between commas.

    >>> parse_list("en, sq")
    ('en', 'sq')
    """
    return tuple(part.strip() for part in text.split(",") if part.strip())


def read_config(path: Path) -> dict[str, Any]:
    """The options in a TOML file, by field name; raises `UsageError` for what is no option or has the wrong type."""
    try:
        config = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"the configuration {str(path)!r} can't be read: {error}") from error
    hints = typing.get_type_hints(RunOptions)
    options = {}
    for key, value in config.items():
        name = key.replace("-", "_")
        if name not in hints:
            near = difflib.get_close_matches(name, hints, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the options are {', '.join(hints)}"
            raise UsageError(f"{key!r} in {str(path)!r} is no option: {hint}")
        options[name] = _from_toml(f"{key!r} in {str(path)!r}", value, hints[name])
    return options


def _from_toml(what: str, value: Any, kind: Any) -> Any:
    if kind == tuple[str, ...]:
        values = parse_list(value) if isinstance(value, str) else value
        if isinstance(values, (list, tuple)) and all(isinstance(item, str) for item in values):
            return tuple(values)
        raise UsageError(f"{what} is {value!r}: it must be a list of strings")
    expected = (str,) if kind == str | None else (int, float) if kind is float else (kind,)
    if not isinstance(value, expected) or (isinstance(value, bool) and kind is not bool):
        raise UsageError(f"{what} is {value!r}: it must be of type {expected[0].__name__}")
    return float(value) if kind is float else value
