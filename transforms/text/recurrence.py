"""In how many documents a line must stand to be template. Apart from `recurring`, for those who only count."""

from __future__ import annotations

MIN_DOCUMENTS = 5
"""Documents of a host, unlike in address and in text, that a line must stand in to be its template. With 2, 39 % of the
lines cut on 582 development pages were content, with 4 20 %, most of them names of fields on the pages of a shop."""

MIN_DOCUMENTS_OF_PROSE = 20
"""The same for running text, and between lines of prose: versions of an article, and news of one matter, share some."""

MIN_DOCUMENTS_VARIED = 20
"""The same for a line that has other numbers or another title in each: a series of reports has such headings."""

MIN_DOCUMENTS_OF_FOLDER = 20
"""The same where no host is known. There running text stays: files that were put together may have a form in common,
such as the salutations of speeches."""

ENOUGH_DOCUMENTS = max(MIN_DOCUMENTS_OF_PROSE, MIN_DOCUMENTS_VARIED, MIN_DOCUMENTS_OF_FOLDER)
"""A line that stands in this many stands in enough for everything: how many more changes nothing.

Neither do counts between `MIN_DOCUMENTS` and this one: each threshold is one of the two."""
