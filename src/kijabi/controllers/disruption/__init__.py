"""Disruption budgets: how many of their pods may be evicted right now.

``plan`` counts, ``scales`` finds out how many pods the owners want, ``controller`` writes. The API server takes room
out of the status when it grants an eviction and notes the pod in ``disruptedPods``; here the room is counted anew.
Source: the documentation of PodDisruptionBudgets; KEP-85.
"""
