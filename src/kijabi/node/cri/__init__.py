"""The road to a container runtime.

``contract`` says what the kubelet may ask of a runtime, in plain data; ``containerd`` carries it over gRPC to whatever
serves the Container Runtime Interface v1; ``hollow`` is a runtime without containers, for simulation and for tests.

Guarantees: a runtime's refusal is a ``contract.RuntimeFailure`` with the runtime's own words, *not found* is a subclass
of it, and nothing of gRPC is seen outside ``containerd`` and ``wire``. Left out: Windows fields, checkpointing and the
evented PLEG of CRI (containerd's own exit events serve as hints instead).
"""
