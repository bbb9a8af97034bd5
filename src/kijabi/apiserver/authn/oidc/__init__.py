"""Users by JSON Web Tokens of issuers elsewhere: OpenID Connect, by flags or by an AuthenticationConfiguration.

``configuration`` reads and validates, ``claims`` makes a user of a token's claims (CEL included), ``provider`` knows an
issuer's keys, ``issuers`` is the token authenticator of them all and puts a changed file in force.

Guarantees: the algorithm is one that was allowed and fits the key, never the token's choice; an issuer that cannot be
reached keeps only its own tokens out; keys are fetched again when a token is signed by none of those known, once for
all who wait. Left out: distributed claims (``_claim_sources``), egress selectors, and metrics about key sets.

Source: kubernetes.io "Authenticating": OpenID Connect Tokens, and using authentication configuration; KEP-3331.
"""
