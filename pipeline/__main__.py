"""`python -m pipeline`: the command line without its script."""

from __future__ import annotations

from pipeline.cli import main

if __name__ == "__main__":
    main()
