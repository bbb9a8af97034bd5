"""MutatingAdmissionPolicy and ValidatingAdmissionPolicy: rules in CEL, bound to what they are about.

``sources`` keeps policies and their bindings compiled, and changes with them at once; ``criteria`` decides what a
policy or binding is about; ``parameters`` finds the objects a binding hands to its policy; ``requests`` is what
expressions see. ``validating`` and ``mutating`` are the plugins; ``applying`` merges what a mutation says. With no
policy a write costs one look at an attribute. Policies, their bindings and webhook configurations are never subject
to any, so that a broken one can be removed.

Source: kubernetes.io "Validating Admission Policy", "Mutating Admission Policy"; k8s.io/apiserver
admission/plugin/policy. Left out: policies from manifest files.
"""

from kijabi.apiserver.admission.policies.metrics import Metrics
from kijabi.apiserver.admission.policies.mutating import MutatingPolicies
from kijabi.apiserver.admission.policies.validating import ValidatingPolicies

__all__ = ["Metrics", "MutatingPolicies", "ValidatingPolicies"]
