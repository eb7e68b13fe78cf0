from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.text.addresses import canonical_address
from transforms.text.fingerprint import address_key

SAME = [  # each row: spellings of one address
    ["https://example.org/", "http://example.org", "HTTPS://WWW.EXAMPLE.ORG:443/#top", "http://www.example.org:80/"],
    [
        "https://example.org/story?b=2&a=1",
        "https://example.org/story/?a=1&b=2",
        "https://example.org/x/../story?a=1&b=2",
    ],
    ["https://example.org/story?id=7&utm_source=x&UTM_Medium=mail&gclid=1", "https://example.org/story?fbclid=Z&id=7"],
    ["https://example.org/read;jsessionid=A1.b!c?p=1&PHPSESSID=77", "https://example.org/read?p=1"],
    ["https://example.org/%7euser/%c3%a4", "https://example.org/~user/ä"],
    ["https://bücher.example/", "https://xn--bcher-kva.example"],
    ["https://example.org/a?q=a+b", "https://example.org/a?q=a%20b"],
    ["https://someone:secret@example.org/a", "https://example.org/a"],
]
APART = [
    ("https://example.org/a", "https://example.org/A", "a path may know case"),
    ("https://example.org/a", "https://blog.example.org/a", "another host"),
    ("https://example.org/a", "https://example.org:8080/a", "another port"),
    ("https://example.org/a?gallery=5", "https://example.org/a?gallery=6", "begins like Google's _ga"),
    ("https://example.org/a?cid=5", "https://example.org/a?cid=6", "a campaign here, a category there"),
    ("https://example.org/a?ref=5", "https://example.org/a?ref=6", "a referrer here, a reference there"),
    ("https://example.org/a?sid=5", "https://example.org/a?sid=6", "a session here, a story there"),
    ("https://example.org/a?p=1&p=2", "https://example.org/a?p=1", "a parameter may be a list"),
    ("https://example.org/#!/a", "https://example.org/#!/b", "a page of an application"),
    ("https://example.org/#/a", "https://example.org/", "a page of an application"),
    ("https://www.com/", "https://com/", "www is the name here"),
    ("https://example.org/a%2Fb", "https://example.org/a/b", "a slash in a name"),
]
NONE = [None, "", "mailto:a@example.org", "/a", "example.org/a", "http://", "http://[", "http://a:99999/", "ftp://a/b"]


@pytest.mark.parametrize("spellings", SAME, ids=lambda spellings: spellings[0])
def test_spellings_of_one_address(spellings: list[str]) -> None:
    assert len({canonical_address(url) for url in spellings}) == 1
    assert len({address_key(url) for url in spellings} - {0}) == 1


@pytest.mark.parametrize(("one", "other", "reason"), APART)
def test_addresses_of_two_pages(one: str, other: str, reason: str) -> None:
    assert canonical_address(one) != canonical_address(other), reason
    assert address_key(one) != address_key(other)


@pytest.mark.parametrize("url", NONE)
def test_what_is_no_address(url: str | None) -> None:
    assert canonical_address(url) is None
    assert address_key(url) == 0


@given(st.text(st.characters(exclude_categories=())) | st.text("aw.:/?#&=;%@[]!2\ud800é ").map("http://{}".format))
def test_any_text_has_a_form_or_none(url: str) -> None:
    found = canonical_address(url)
    assert found is None or found
    assert address_key(url) % 2 == 0


part = st.text("abcä%20-_", min_size=1, max_size=6).map(lambda text: text.replace("%", "%41"))


@given(
    path=st.lists(part, max_size=3),
    query=st.lists(st.tuples(part, part), max_size=4),
)
def test_the_form_is_that_of_its_own_address(path: list[str], query: list[tuple[str, str]]) -> None:
    url = "http://example.org/" + "/".join(path) + "?" + "&".join(f"{name}={value}" for name, value in query)
    form = canonical_address(url)
    assert form
    assert canonical_address(f"https://www.{form}") == form
