"""The Node object: what the machine has (``machine``), what is told of it (``report``, pure), and the loops that
register the node, tell its status and renew its Lease (``heartbeat``).
"""
