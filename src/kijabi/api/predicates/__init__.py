"""Pure questions about pods and nodes that the scheduler, the kubelet and the daemonset controller must answer alike.

``pods`` (classes, conditions, priority), ``fit`` (requests), ``taints`` (tolerations), ``affinity`` (node selectors),
``ports`` (host port conflicts). Everything takes plain objects and gives plain data; nothing is cached or changed.
"""
