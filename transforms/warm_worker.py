"""What the server of the workers has in memory before it forks them: models loaded, patterns compiled.

Only to be imported there. A worker that compiled the patterns itself would take half a second for it, and the memory.
"""

from __future__ import annotations

import gc

from schemas.records import RawRecord
from transforms.text.clean import clean
from transforms.text.cleaning_options import CleaningOptions

_TEXT = (
    "The mill stands by the river, and its wheel has turned since 1884. By Ada Miller, 3 May 2024.\n"
    "Le moulin se trouve au bord de la rivière, et sa roue tourne depuis longtemps.\n"
    "Мельница стоит у реки, и её колесо вращается уже много лет подряд.\n"
    "Share this article\nCopyright 2024. All rights reserved."
)
_PAGE = (
    '<html><head><title>The mill</title><meta name="author" content="Ada Miller"></head><body><nav><a href="/">Home</a>'
    f"</nav><article><h1>The mill</h1><p>{'</p><p>'.join(_TEXT.splitlines() * 4)}</p></article></body></html>"
)

for _text, _media_type in ((_PAGE, "text/html"), (_TEXT, "text/plain"), ("Короткий текст о мельнице", "text/plain")):
    clean(RawRecord("warm", 1, _text.encode(), _media_type, url="https://example.org/"), CleaningOptions())

gc.collect()
gc.freeze()  # nothing of this is garbage, ever: a collection in a worker need not touch, and so copy, its pages
