"""CertificateSigningRequests: kubelets' are approved, approved ones signed, old ones deleted.

``requests`` judges, pure; ``approver``, ``signer`` and ``cleaner`` act.
Source: the documentation of certificate signing requests ("Kubernetes signers", "Signed certificates").
"""
