"""CEL, the Common Expression Language, as Kubernetes v1.36 speaks it.

Reads: ``parser`` makes nodes (``syntax``), ``checker`` types them (``types``) against the table of functions
(``library``), ``evaluator`` makes closures that work on plain JSON values (``values``) and count upstream's cost;
``estimate`` knows the worst cost before anything runs. On top: ``rules`` (``x-kubernetes-validations`` of a schema),
``admission`` (the variables of policies and match conditions), ``conditions`` and ``patches``.

Why not a library: the one there is for Python (Google's C++ runtime) neither counts cost nor can be stopped by it,
knows no two-variable macros, and cannot be given types with fields. It serves as the oracle of the tests.

Guarantees: nothing a user writes raises anything but what is documented; evaluation is bounded by cost; the values
given in are never changed. Left out: protocol buffer messages, and what ``library`` names. Regular expressions run on
Python's engine, which unlike RE2 may backtrack.

Source: the CEL specification; kubernetes.io "Common Expression Language in Kubernetes"; cel-go for costs and words.
"""

from kijabi.api.cel.environment import BUDGET, MATCH_BUDGET, PER_CALL_LIMIT, Environment, Outcome, Program, compile

__all__ = ["BUDGET", "MATCH_BUDGET", "PER_CALL_LIMIT", "Environment", "Outcome", "Program", "compile"]
