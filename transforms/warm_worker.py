"""What the server of the workers has in memory before it forks them: models loaded, patterns compiled.

Only to be imported there. A worker that compiled the patterns itself would take half a second for it, and the memory.
"""

from __future__ import annotations

import gc
import importlib
import threading

gc.disable()  # nothing of what is made here is garbage soon: looking for it takes an eighth of the time
# Most of the time of this one is decompression, beside which the others load.
_models = threading.Thread(target=importlib.import_module, args=["transforms.text.language"])
_models.start()

from schemas.records import RawRecord  # noqa: E402
from transforms import worker_pool  # noqa: E402, F401  # what a worker is told to do is a function of it
from transforms.text.clean import clean  # noqa: E402
from transforms.text.cleaning_options import CleaningOptions  # noqa: E402

_models.join()  # a process with threads must not fork

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

gc.freeze()  # nothing of this is garbage, ever: a collection in a worker need not touch, and so copy, its pages
gc.enable()
