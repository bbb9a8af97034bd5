"""Named Go types of fields that the schema knows only as strings, lists or maps.

A decode error names the Go type (``of type v1.RestartPolicy``), and the OpenAPI data does not have it. The names are
compiled together with the protobuf table, out of the same type data; without them an error says ``string``.
"""

from __future__ import annotations

from kijabi.api.protobuf import compiled


def of(definition: str, name: str) -> str:
    """The Go type of a field, or nothing. ``definition`` is the schema's name (``io.k8s.api.core.v1.PodSpec``)."""
    return compiled.names().get(".".join(definition.rsplit(".", 3)[-3:]), {}).get(name, "")
