"""The kinds of the core group, one file each; ``podspec`` is what pods and pod templates share.

``claims``, ``volumes`` and ``clusterips`` are the parts of a kind that others need too. ``inner`` makes the diffs that
end some refusals, ``keypairs`` judges the TLS Secrets.
"""
