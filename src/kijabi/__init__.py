"""Kijabi (키잡이, *helmsman*): a complete Kubernetes in Python.

Rooms, from the ground up: ``kit`` (no Kubernetes word in it), ``api`` (what an object is), ``store`` and ``client``
(the two ways to keep and reach objects), the components (``apiserver``, ``scheduler``, ``controllers``, ``cloud``,
``node``, ``eks``), ``cluster`` (assembly), ``testing`` and ``cli``. Imports point down only.
"""

VERSION = "0.1.0"

# What /version and the nodes report: the upstream release whose behaviour is followed.
KUBERNETES_VERSION = "v1.36.2"
