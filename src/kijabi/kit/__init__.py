"""What any server needs and no Kubernetes word is in: clocks, back-off, tasks, PKI, HTTP shapes, JSON, YAML, logging.

Nothing here imports another room, and nothing here knows what a pod is.
"""
