"""The three ways to change part of an object: JSON patch, merge patch, strategic merge patch.

Each takes the stored document and the decoded patch and gives a new document; neither argument is changed (but by
``strategic_into``). What a patch gets wrong is the ``ApiError`` that upstream answers. Server-side apply is another
thing: see ``api/managed``.
"""

from kijabi.api.patch.json_patch import json
from kijabi.api.patch.merge_patch import merge
from kijabi.api.patch.strategic_merge import strategic, strategic_into

__all__ = ["json", "merge", "strategic", "strategic_into"]
