"""ImageLocality: nodes that have the images already, by size; an image that few nodes have counts less.

(So that pods do not all crowd on the one node that has a rare image.)
"""

from __future__ import annotations

import numpy as np

from kijabi.scheduler.columns import Ints
from kijabi.scheduler.plugins import contract

MEGABYTE = 1024 * 1024
LEAST, MOST_EACH = 23 * MEGABYTE, 1000 * MEGABYTE


class ImageLocality:
    name = "ImageLocality"

    def score(self, view: contract.View) -> Ints | None:
        columns, images = view.columns, view.pod.images
        if not images:
            return None
        sizes = np.zeros(columns.size, np.int64)
        for image in images:
            rows = columns.images.get(image)
            if rows:
                part = len(rows) / columns.count
                for row, size in rows.items():
                    sizes[row] += int(size * part)
        most = MOST_EACH * len(images)
        clamped = np.clip(sizes[view.rows], LEAST, most)
        scores: Ints = contract.BEST * (clamped - LEAST) // (most - LEAST)
        return scores

    def normalize(self, view: contract.View, scores: Ints) -> Ints:
        return scores
