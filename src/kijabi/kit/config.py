"""What a program was told and cannot work with."""

from __future__ import annotations


class Unusable(ValueError):
    """An option, or a file that one names, cannot be used. The message says which and why, for the one who set it."""
