"""What makes a network namespace a node: containerd and its configuration, the CNI's, and the removal of it all.

``containerd`` and ``cni`` write configuration (pure functions of the node), ``sweep`` finds and ends whatever a node
left in the machine: processes, mounts, cgroups. The agents themselves are ordinary components (``components``).
"""
