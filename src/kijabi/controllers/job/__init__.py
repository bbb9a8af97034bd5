"""Jobs: pods that run to their end, each counted exactly once.

``indexes`` (sets of completion indexes), ``policies`` (what a failure or success means), ``backoff`` (when pods ended),
``view`` (what there is), ``plan`` (what to make and delete, and whether the Job is over), ``tracking`` (counting),
``controller`` and ``orphans`` (acting).

A pod holds the finalizer ``batch.kubernetes.io/job-tracking`` until it is counted. Counting takes three writes, any of
which may be the last one before a crash: the pod's uid goes into ``uncountedTerminatedPods``; the finalizer goes; the
uid becomes a number. Whoever continues can tell from the uid list and the finalizers what is done already.
Source: the documentation of Job; KEP-2307 (tracking), KEP-3329 (failure policy), KEP-3850 (limit per index), KEP-3998
(success policy), KEP-3939 (replacement), KEP-4368 (managedBy).
"""
