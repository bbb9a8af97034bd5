"""Custom resources: what CustomResourceDefinitions define is served while they are there.

``serving`` follows the definitions and adds endpoints to the registry, entries to discovery and documents to OpenAPI;
``kind`` makes the strategy of one version, ``codec`` its stored form, ``conversion`` speaks to webhooks that convert
between versions; ``conditions`` decides the definitions' conditions, ``finalizing`` finishes their deletion. Source:
apiextensions-apiserver; "Extend the Kubernetes API with CustomResourceDefinitions".
"""

from __future__ import annotations

from kijabi.apiserver.crds import serving

__all__ = ["serving"]
