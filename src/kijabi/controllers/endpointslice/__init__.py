"""EndpointSlices of Services with a selector: which addresses answer, on which ports, and whether they are ready.

``endpoints`` says what a pod contributes, ``plan`` fits that into slices with few changes, ``controller`` writes them.
Hints follow ``trafficDistribution``. Slices of Services without a selector belong to others and are left alone.
Source: the documentation of EndpointSlices and KEP-0752.
"""
