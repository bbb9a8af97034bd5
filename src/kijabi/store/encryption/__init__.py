"""Values encrypted at rest: a store around a store.

``configuration`` reads upstream's EncryptionConfiguration, ``ciphers`` has the algorithms, ``kms`` the envelope whose
keys an external plugin holds (KMS v2), ``providers`` the list of one resource, ``store`` the wrapper. Values lie in the
store behind upstream's prefixes (``k8s:enc:aescbc:v1:KEYNAME:``) and bound to their key where the algorithm can, so an
entry moved to another key does not open.

Guarantees: the first provider of a resource writes, every one reads; what another than the first has written is stale,
and any update, one that changes nothing too, writes it anew; what no provider can read stops nothing but itself.
Left out: KMS v1, which upstream has switched off.
"""
