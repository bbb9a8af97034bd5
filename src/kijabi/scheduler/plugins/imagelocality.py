"""ImageLocality: nodes that have the images already, by size; an image that few nodes have counts less.

(So that pods do not all crowd on the one node that has a rare image.)
"""

from __future__ import annotations

import numpy as np

from kijabi.scheduler.columns import Columns, Ints
from kijabi.scheduler.plugins import contract

MEGABYTE = 1024 * 1024
LEAST, MOST_EACH = 23 * MEGABYTE, 1000 * MEGABYTE


class ImageLocality:
    name = "ImageLocality"

    def score(self, view: contract.View) -> Ints | None:
        shape = view.shape
        if not any(image in view.columns.images for image in shape.images):
            return contract.ZERO
        key = ("images", shape.images, shape.containers)
        return view.take(view.columns.whole(key, lambda: _scores(view.columns, shape.images, shape.containers)))

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        return scores


def _scores(columns: Columns, images: tuple[str, ...], containers: int) -> Ints:
    sizes = np.zeros(columns.size, np.int64)
    for image in images:
        rows = columns.images.get(image, {})
        part = len(rows) / columns.count
        for row, size in rows.items():
            sizes[row] += int(size * part)
    # Image volumes add to the sizes, but only containers raise what is the most.
    most = MOST_EACH * containers
    scores: Ints = contract.BEST * (np.clip(sizes, LEAST, most) - LEAST) // (most - LEAST)
    return scores
