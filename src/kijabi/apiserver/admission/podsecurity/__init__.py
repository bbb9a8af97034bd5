"""Pod Security: a namespace's labels say which of the standards its pods must keep, which to audit, and which only to
warn of; each in the version it names.

``checks`` are what the standards forbid, ``standards`` the levels by version, ``policy`` what labels ask for,
``configuration`` the file of defaults and exemptions, ``plugin`` what is done about it. Source: the Kubernetes
documentation, "Pod Security Admission".
"""

from kijabi.apiserver.admission.podsecurity.plugin import PodSecurity

__all__ = ["PodSecurity"]
