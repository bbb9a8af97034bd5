"""Deployments: a ReplicaSet per pod template, and an orderly way from one to the next.

``view`` sorts what there is, ``plan`` decides the next step, ``status`` says how far it is; all pure. ``controller``
carries one step out and comes back when its effect shows.
Source: the documentation of Deployment (strategies, rollover, proportional scaling, progress deadline, revisions).
"""
