"""Kubernetes' protobuf: what Go clients send for built-in kinds unless they are told otherwise.

Guarantees: reading gives the dict that the same object would be in JSON, writing gives the bytes that Go would write.
Field numbers are not ours and not committed: ``compile`` reads them from the struct tags in the run-time type data of
upstream's kubectl (``gotypes``, ``messages``) and leaves one small table, which ``codec`` works from.
Left out: custom resources, which have no protobuf form, and CustomResourceDefinitions and APIServices, which kubectl
does not know by type.
"""
