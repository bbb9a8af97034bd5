"""kube-scheduler: where each pod goes, and why.

Nodes are rows and resources are integer columns (``columns``); how many pods match a selector is counted per row and
kept up to date by each placement (``tallies``), never recomputed. ``plugins`` hold one rule each, as a mask or a score
over all rows at once; ``cycle`` runs them for one pod; ``queue`` decides which pod is next; ``scheduler`` is the actor
that follows the API and writes bindings. Every decision leaves an explanation (``explain``).

``profiles`` and ``configuration`` say by which rules; ``preemption`` makes room for pods of higher priority;
``cluster`` holds what is counted where, ``deeds`` writes to the API.

All feasible nodes are scored: there is no sampling. Left out so far: volumes, dynamic resources, pod groups, extenders.
"""
