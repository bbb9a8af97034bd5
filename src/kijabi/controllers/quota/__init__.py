"""ResourceQuotas: what a namespace uses, counted anew.

The API server charges a quota before it makes an object; nobody tells it when an object goes, or when one that was
charged for was never made. ``plan`` counts, ``controller`` follows what is counted and writes.

Usage is raised at once, but lowered only after the quota has been quiet for a moment: a charge comes shortly before the
object that it is for, and counting between the two would take it back.
Source: the documentation of resource quotas.
"""
