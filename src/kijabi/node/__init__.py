"""What runs on a node: four agents that do not know each other.

``kubelet`` runs pods, ``proxy`` carries Services, ``dns`` answers names, ``policy`` filters traffic. ``cri`` is the
road to a container runtime, and the kubelet's alone.
"""
