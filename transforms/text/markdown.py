"""Markdown to its text and the metadata of its front matter."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from typing import Any

import yaml

from transforms.text.extraction import Extraction, author_names, one_line, parse_date, sources_of, unique_lines

MAX_FRONT_MATTER_CHARS = 20_000  # a page's own account of itself is a few lines; a longer block is content

_FRONT_MATTER = re.compile(r"\A\s*(---|\+\+\+)[ \t]*\n(.*?)\n(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_CODE_BLOCK = re.compile(r"^(```|~~~).*?(?:^\1|\Z)", re.DOTALL | re.MULTILINE)
_TITLE = re.compile(r"^# +(.+?)[ #]*$|^(\S.*)\n=+[ \t]*$", re.MULTILINE)
_INLINE = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*`]")


def extract_markdown(text: str) -> Extraction:
    r"""The text of a Markdown document, its marks kept, without its front matter, and the metadata given there.

    Front matter is YAML between `---` lines or TOML between `+++` lines at the top. What is no mapping in one of them
    stays in the text. Without a title there, the first heading of level one is the title.

    >>> extract_markdown("---\nauthor: Ana Kola\n---\n# Bread\n\nFlour.").authors
    ('Ana Kola',)
    """
    fields, body = _split_front_matter(text)
    url = one_line(_scalar(fields, "url", "canonical_url", "link", "permalink"))
    url = url if url and url.startswith(("http://", "https://")) else None
    title, heading = one_line(_scalar(fields, "title")), _heading(body)
    authors = author_names(_listed(fields.get("authors") or fields.get("author")))
    published_date = parse_date(_scalar(fields, "date", "published", "publishdate", "pubdate"))
    tags = unique_lines(tag for name in ("tags", "keywords", "categories") for tag in _listed(fields.get(name)))
    return Extraction(
        text=body,
        extractor="markdown",
        title=title or heading,
        url=url,
        authors=authors,
        published_date=published_date,
        tags=tags,
        sources=sources_of(
            title=("front-matter:title" if title else "markdown:heading", title or heading),
            url=("front-matter:url", url),
            authors=("front-matter:author", authors),
            published_date=("front-matter:date", published_date),
            tags=("front-matter:tags", tags),
        ),
    )


def _split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    match = _FRONT_MATTER.match(text[:MAX_FRONT_MATTER_CHARS])
    if not match:
        return {}, text
    try:
        fields = yaml.safe_load(match[2]) if match[1] == "---" else tomllib.loads(match[2])
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a date of 31 February, or broken TOML
        return {}, text
    if not isinstance(fields, dict):
        return {}, text
    return {str(key).lower(): value for key, value in fields.items()}, text[match.end() :]


def _scalar(fields: dict[str, Any], *names: str) -> str | int | dt.date | None:
    """The first of the named fields that holds one value: YAML's aliases make lists that no one may unfold."""
    return next((value for name in names if isinstance(value := fields.get(name), str | int | dt.date)), None)


def _listed(value: Any) -> list[str]:
    """The strings of a field that may hold one, several separated by commas, a list, or a list of `{name: ...}`."""
    if isinstance(value, str):
        return value.split(",")
    names = [item.get("name") if isinstance(item, dict) else item for item in value] if isinstance(value, list) else []
    return [str(name) for name in names if isinstance(name, str | int)]


def _heading(body: str) -> str | None:
    match = _TITLE.search(_CODE_BLOCK.sub("", body))
    return one_line(_INLINE.sub(r"\1", match[1] or match[2])) if match else None
