"""Kubernetes' function libraries for CEL, as v1.36 offers them to new expressions.

Left out, as upstream does: math, encoders, bindings (``cel.bind``), and what ``strings`` has since its version 3.
"""

from __future__ import annotations

from kijabi.api.cel import functions, operators
from kijabi.api.cel.library import amounts, authz, formats, lists, network, optionals, strings, urls

BASE = functions.Functions()
for _library in (
    operators.STANDARD,
    strings.FUNCTIONS,
    lists.FUNCTIONS,
    optionals.FUNCTIONS,
    urls.FUNCTIONS,
    network.FUNCTIONS,
    amounts.FUNCTIONS,
    formats.FUNCTIONS,
    authz.FUNCTIONS,
):
    BASE.join(_library)

# Only where patches are written.
PATCHES = functions.Functions()
PATCHES.join(BASE)
PATCHES.join(strings.PATCH_FUNCTIONS)
