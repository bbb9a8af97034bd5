"""Who owns which field of an object: managed fields, and the merge of server-side apply.

Purpose: keep ``metadata.managedFields`` right on every write (``update``), and merge what a client applies into an
object (``apply``). Everything is a pure function of plain objects, a ``Shape`` (how far a type's values can be owned in
parts) and a ``View`` (the version, subresource and reset fields a write comes through).

Guarantees: a set of fields is the plain data of FieldsV1, so what is stored is computed with as it is; sets are never
changed in place; entries that a write does not touch stay the very same dicts; times change only with their entries.
Left out: the CBOR form of apply.

Source: k8s.io/apimachinery util/managedfields, sigs.k8s.io/structured-merge-diff, "Server-Side Apply".
"""

from kijabi.api.managed.applying import ApplyConflict, Unusable, apply
from kijabi.api.managed.entries import View, fits
from kijabi.api.managed.scale import Mapping, to_parent, to_scale
from kijabi.api.managed.shapes import Shapes
from kijabi.api.managed.updating import update

__all__ = ["ApplyConflict", "Mapping", "Shapes", "Unusable", "View", "apply", "fits", "to_parent", "to_scale", "update"]
