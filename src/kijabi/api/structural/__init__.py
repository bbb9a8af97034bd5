"""Structural schemas: what a CustomResourceDefinition says of its objects, as pure functions of plain data.

``schema.parse`` makes one tree out of ``openAPIV3Schema``; the other modules walk an object along it: ``pruning`` drops
and reports unknown fields, ``defaulting`` fills in, ``objectmeta`` looks at embedded resources, ``values`` and
``lists`` validate, ``structure`` says whether a schema is structural at all, ``typing`` gives the types that
server-side apply follows, ``published`` the OpenAPI documents. Source: apiextensions-apiserver pkg/apiserver/schema;
"Specifying a structural schema" in the documentation.

Left out: rules in CEL, which ``kijabi.api.cel`` evaluates.
"""
