"""E-mail to the text of its body and the metadata of its headers."""

from __future__ import annotations

import dataclasses
import email
import email.policy
from email.message import EmailMessage

from schemas.records import InputError
from transforms.text.decode import decode
from transforms.text.extraction import Extraction, author_names, one_line, parse_date, sources_of
from transforms.text.html import extract_html


def extract_mail(content: bytes) -> Extraction:
    """The body of a message (RFC 5322, MIME), with subject, sender's name and date; attachments are not looked at.

    Plain text is preferred to HTML where the message has both. Raises `InputError` ("parse") for a message that the
    standard library's parser can't stand, such as one of parts nested hundreds deep, and that of decoding its body.
    """
    try:
        message = email.message_from_bytes(content, policy=email.policy.default)
        bodies = _bodies(message)
        title, authors, date = one_line(message["subject"]), _senders(message), parse_date(message["date"])
        headers = Extraction(
            text="",
            extractor="eml",
            title=title,
            authors=authors,
            published_date=date,
            sources=sources_of(
                title=("mail:subject", title), authors=("mail:from", authors), published_date=("mail:date", date)
            ),
        )
    except MemoryError:
        raise
    except Exception as error:  # the parser's own bugs, and RecursionError
        raise InputError("parse", f"{type(error).__name__}: {error}", stage="extract") from error
    return _with_body(headers, bodies)


def _bodies(message: EmailMessage) -> list[tuple[str, bytes, str | None]]:
    """Kind, bytes and declared charset of the message's body, in each kind that it has, the preferred first."""
    found = []
    for kind in ("plain", "html"):
        if part := message.get_body((kind,)):
            payload = part.get_payload(decode=True)
            found.append((kind, payload if isinstance(payload, bytes) else b"", part.get_content_charset()))
    return found


def _senders(message: EmailMessage) -> tuple[str, ...]:
    addresses = getattr(message["from"], "addresses", ())
    return author_names(address.display_name for address in addresses)


def _with_body(headers: Extraction, bodies: list[tuple[str, bytes, str | None]]) -> Extraction:
    for kind, payload, charset in bodies:
        decoded = decode(payload, charset, markup=kind == "html")
        text, extractor = decoded.text, "plain"
        if kind == "html":
            page = extract_html(decoded.text)
            text, extractor = page.text, page.extractor
        if text.strip():
            return dataclasses.replace(headers, text=text, extractor=f"eml:{extractor}", charset=decoded.charset)
    return headers
