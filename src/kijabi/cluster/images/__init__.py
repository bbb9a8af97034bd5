"""Container images out of the distribution's own packages, for sites where no registry can be reached.

A recipe (``recipes/NAME.yaml``, or the user's own) says which packages, which of their files, and how the container
runs; ``recipe`` reads it, ``packages`` fetches, ``tree`` is a file system in memory, ``build`` makes the one from the
others, ``oci`` writes it down, ``load`` puts it into a node's containerd.

Guarantees: the same packages give the same bytes (no times, no order of a directory in it); a built image is kept and
built again only when the recipe changed. Left out: running anything inside an image while it is built.
"""
