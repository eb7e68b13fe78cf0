"""Cleaning steps that misbehave on demand, for the workers of a pool under test to import."""

from __future__ import annotations

import os
import signal
import time

from schemas.records import Cleaned, InputError, RawRecord, Rejection
from transforms.text.clean import clean
from transforms.text.cleaning_options import CleaningOptions

LEAKED: list[bytearray] = []


def misbehave(record: RawRecord, options: CleaningOptions) -> Cleaned | Rejection:
    """Do what the record says; clean it when it says nothing."""
    match record.content.split(b" ", 1)[0]:
        case b"HANG":
            time.sleep(600)
        case b"SEGFAULT":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"EXIT":
            os._exit(3)
        case b"MEMORY":
            hoard = []
            while True:
                hoard.append(bytearray(1 << 24))
        case b"LEAK":
            LEAKED.append(bytearray(48 << 20))
        case b"INPUT":
            raise InputError("parse", "bad\x00 markup " + "x" * 2000, stage="extract")
        case b"BUG":
            raise LookupError("a bug in the cleaning code")
    return clean(record, options)
