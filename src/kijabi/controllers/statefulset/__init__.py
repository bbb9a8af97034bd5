"""StatefulSets: pods with names, storage and an order.

``identity`` says what the pod and the claims of an ordinal look like, ``retention`` who owns the claims, ``plan``
decides the next step, ``status`` counts, ``controller`` carries out. With OrderedReady one step is taken at a time.
Source: the documentation of StatefulSet; KEP-0961 (maxUnavailable), KEP-1847 (claim retention), KEP-3335 (ordinals).
"""
