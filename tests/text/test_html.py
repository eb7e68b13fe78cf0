"""HTML to main text and metadata: what is kept, what is told, and pages made to do harm."""

from __future__ import annotations

import datetime as dt

import pytest

from schemas.records import InputError
from transforms.text import html as html_module
from transforms.text.block_evidence import PageContext
from transforms.text.blocks import Layout
from transforms.text.extraction import Extraction
from transforms.text.html import extract_html, page_blocks, page_evidence
from transforms.text.main_blocks import JudgedBlocks, judge_blocks

PARAGRAPHS = [
    "The ferry left the harbour before sunrise, with forty crates of oranges and two passengers on the open deck.",
    "Nobody had told the captain that the lighthouse had been dark since Tuesday, and so he steered by the stars.",
    "By noon the wind had turned, and the crew, who had sailed this strait for years, lowered the larger of the sails.",
    "“We shall be late,” said the cook, “but the bread will be warm,” and he went below to see to his oven.",
    "When the island came into sight, children ran along the mole and counted the crates as they were carried ashore.",
    "The oranges were sold within the hour; the two passengers took the only road there is, and were not seen again.",
]

PAGE = """<!DOCTYPE html>
<html lang="en"><head>
<title>Oranges for the island - Harbour Herald</title>
<meta property="og:site_name" content="Harbour Herald">
<meta property="og:title" content="Oranges for the island">
<meta property="og:url" content="https://herald.example.org/oranges">
<meta name="author" content="Mira Petrović">
<meta property="article:published_time" content="2019-05-04T06:30:00+02:00">
<meta name="keywords" content="ferries, fruit">
</head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/sport">Sport</a></li></ul></nav>
<article><h1>Oranges for the island</h1>
{paragraphs}
<table><tr><th>Crates</th><th>Price</th></tr><tr><td>forty</td><td>nine</td></tr></table>
</article>
<section id="comments"><h2>Comments</h2><p>First! I was there, and the bread was cold, whatever he says.</p></section>
<footer><p>© Harbour Herald. All rights reserved.</p></footer>
</body></html>"""


def page(paragraphs: list[str] = PARAGRAPHS) -> str:
    return PAGE.format(paragraphs="\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs))


def test_the_main_text_comes_out_a_block_a_line() -> None:
    lines = extract_html(page()).text.split("\n")
    assert [line for line in lines if line in PARAGRAPHS] == PARAGRAPHS
    assert any("forty" in line and "nine" in line for line in lines)
    assert not {"Home", "Sport"} & set(lines)
    assert "First!" not in "\n".join(lines)


def test_the_metadata_of_a_page() -> None:
    found = extract_html(page())
    assert found.title == "Oranges for the island"
    assert found.authors == ("Mira Petrović",)
    assert found.published_date == dt.date(2019, 5, 4)
    assert found.site_name == "Harbour Herald"
    assert found.url == "https://herald.example.org/oranges"
    assert found.tags == ("ferries", "fruit")


def test_several_authors_are_several_names() -> None:
    html = page().replace('content="Mira Petrović"', 'content="Mira Petrović and Jonas Weiß"')
    assert extract_html(html).authors == ("Mira Petrović", "Jonas Weiß")


@pytest.mark.parametrize("author", ["Harbour Herald", "https://herald.example.org/mira", "mira@herald.example.org"])
def test_a_site_or_an_address_is_no_author(author: str) -> None:
    assert extract_html(page().replace("Mira Petrović", author)).authors == ()


def test_a_date_that_no_publication_can_have_is_no_date() -> None:
    assert extract_html(page().replace("2019-05-04", "0001-01-01")).published_date is None


def test_the_given_address_serves_a_page_that_names_none() -> None:
    html = page().replace("og:url", "x:url")
    assert extract_html(html, "https://copy.example.org/1").url == "https://copy.example.org/1"


def test_the_record_s_address_is_no_evidence_for_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = []

    def watched(layout: Layout, context: PageContext) -> JudgedBlocks:
        paths.append(context.path)
        return judge_blocks(layout, context)

    monkeypatch.setattr(html_module, "judge_blocks", watched)
    nameless = page().replace("og:url", "x:url")
    texts = {extract_html(nameless, url).text for url in (None, "https://copy.example.org/2019/05/a/b/c", "http://[")}
    extract_html(page(), "https://copy.example.org/2019/05/a/b/c")
    assert paths == ["", "", "", "/oranges"]
    assert len(texts) == 1
    evidence = page_evidence(nameless), page_evidence(page())
    assert [read[1].path for read in evidence if read] == ["", "/oranges"]  # what the trees are fitted on


@pytest.mark.parametrize(("fast", "extractor"), [(True, "trafilatura-fast:giant"), (False, "html2txt:giant")])
def test_the_blocks_of_a_giant_page_are_not_judged(monkeypatch: pytest.MonkeyPatch, fast: bool, extractor: str) -> None:
    html = page().replace("article:published_time", "x:published_time")
    blocks = len(page_blocks(html))
    monkeypatch.setattr(html_module, "MAX_BLOCKS", blocks)
    assert extract_html(html).extractor == "html-blocks:page"
    monkeypatch.setattr(html_module, "MAX_BLOCKS", blocks - 1)
    monkeypatch.setattr(html_module, "judge_blocks", _raiser(AssertionError("judged")))
    if not fast:
        monkeypatch.setattr(html_module, "bare_extraction", lambda *_, **__: None)
    found = extract_html(html)
    assert found.extractor == extractor
    assert PARAGRAPHS[0] in found.text


def test_an_article_keeps_the_fast_extraction_and_another_page_its_likeliest_blocks() -> None:
    assert extract_html(page()).extractor == "trafilatura-fast"
    other = page().replace("article:published_time", "x:published_time")
    found = extract_html(other)
    assert found.extractor == "html-blocks:page"
    assert [line for line in found.text.split("\n") if line in PARAGRAPHS] == PARAGRAPHS


def test_what_a_page_holds_twice_is_once_in_its_text() -> None:
    paragraphs = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)
    rows = "".join(f"<p>Line {n} of the ferry sails at {n} o'clock from the mole to the island.</p>" for n in (8, 9))
    body = f"<main class=wide>{paragraphs}{rows}</main><main class=phone>{paragraphs}</main>"
    lines = extract_html(f"<html><head><title>Ferry</title></head><body>{body}</body></html>").text.split("\n")
    assert [line for line in lines if line in PARAGRAPHS] == PARAGRAPHS
    assert sum(line.startswith("Line ") for line in lines) == 2


def test_the_blocks_of_a_page_are_all_that_it_shows() -> None:
    assert page_blocks(page())[:3] == ["Home", "Sport", "Oranges for the island"]
    assert page_blocks(page())[-1] == "© Harbour Herald. All rights reserved."
    assert page_blocks("") == []


def test_a_page_is_the_same_whatever_was_extracted_before() -> None:
    first = extract_html(page())
    for number in range(6):
        extract_html(page([f"{number} {paragraph}" for paragraph in PARAGRAPHS]))
        assert extract_html(page()) == first


def test_xhtml_keeps_its_head_and_expands_no_entities() -> None:
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    prologue = f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html [<!ENTITY e0 "boom">{bomb}]>\n'
    found = extract_html(prologue + page().removeprefix("<!DOCTYPE html>\n").replace("captain", "captain &e11;"))
    assert found.title == "Oranges for the island"
    assert PARAGRAPHS[0] in found.text
    assert "boom" not in found.text


SMALL = [  # a page, and the text it shows
    ("", ""),
    (" \n", ""),
    ("<html></html>", ""),
    ("<!-- nothing -->", ""),
    ("<html><head><title>T</title></head><frameset><frame src=a></frameset></html>", ""),
    ("<html><body><script>var a = 1;</script><style>p {}</style></body></html>", ""),
    ("<p>A fragment is a page</p>", "A fragment is a page"),
    ("<html><body>Only this.</body></html>", "Only this."),
    ("<html><body><p>a nul\x00 in it</p></body></html>", "a nul in it"),
    ("<html><body><p>a bell&#7; and a unit&#x1F; separator</p></body></html>", "a bell and a unit separator"),
    ("<html><body><p>a lone &#xD800; surrogate</p></body></html>", "a lone � surrogate"),
    ("<html><body><p>soft&shy;ly, 10&nbsp;km, Cafe&#x301;</p></body></html>", "softly, 10 km, Café"),
]


@pytest.mark.parametrize(("html", "text"), SMALL)
def test_small_pages(html: str, text: str) -> None:
    assert extract_html(html).text == text


@pytest.mark.parametrize(
    "html",
    [
        pytest.param("<div>" * 3000 + "deep" + "</div>" * 3000, id="3,000 nested divs"),
        pytest.param("<table><tr><td>" * 5000 + "deep", id="nested tables"),
        pytest.param("<p>" + "<b>" * 50_000 + "deep", id="nested inline elements"),
    ],
)
def test_a_page_nested_too_deeply_is_refused_and_never_cut_short(html: str) -> None:
    with pytest.raises(InputError, match="nested too deeply") as caught:
        extract_html(html)
    assert (caught.value.error_class, caught.value.stage) == ("parse", "extract")


def test_hostile_metadata_costs_only_itself() -> None:
    deep = '<script type="application/ld+json">{"@type": ' + "[" * 100_000 + "</script></head>"
    assert PARAGRAPHS[0] in extract_html(page().replace("</head>", deep)).text


@pytest.mark.parametrize("error", [RecursionError("too deep"), AttributeError("x"), ValueError("y"), KeyError("z")])
def test_whatever_the_library_raises_is_the_input_s_failure(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(html_module, "bare_extraction", _raiser(error))
    with pytest.raises(InputError, match=type(error).__name__) as caught:
        extract_html(page())
    assert caught.value.error_class == "parse"


def test_running_out_of_memory_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_module, "bare_extraction", _raiser(MemoryError()))
    with pytest.raises(MemoryError):
        extract_html(page())


def test_a_page_the_library_gives_up_is_judged_by_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_module, "bare_extraction", lambda *_, **__: None)
    found = extract_html(page())
    assert found.extractor == "html-blocks:article"
    assert PARAGRAPHS[0] in found.text
    assert found.title == "Oranges for the island"


def _raiser(error: BaseException) -> object:
    def fail(*_: object, **__: object) -> Extraction:
        raise error

    return fail


def test_nesting_as_careless_pages_have_it_is_read() -> None:
    nested = "<div>" * 200 + "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS) + "</div>" * 200
    assert PARAGRAPHS[-1] in extract_html(f"<html><body>{nested}</body></html>").text


@pytest.mark.parametrize("line_end", ["\n", " "])
def test_a_faulty_beginning_is_mended_however_long_the_page_and_its_lines(line_end: str) -> None:
    paragraphs = line_end.join(f"<p>{text}</p>" for text in PARAGRAPHS * 20)
    html = f'<html lang="en" />\n<body>{paragraphs}</body>'
    assert page_blocks(html) == PARAGRAPHS * 20
    assert page_blocks(html.replace(" />", ">", 1)) == PARAGRAPHS * 20
