"""`python -m pipeline`: the command line without its script."""

from __future__ import annotations

from pipeline.cli import program

if __name__ == "__main__":
    program()
