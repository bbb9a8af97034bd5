"""DaemonSets: one pod on every node that fits.

``nodes`` says which nodes those are and what their pods look like, ``plan`` decides what to make and to delete,
``status`` counts, ``controller`` carries out. Pods are pinned to their node by affinity and placed by the scheduler.
Source: the documentation of DaemonSet; KEP-1591 (surge).
"""
