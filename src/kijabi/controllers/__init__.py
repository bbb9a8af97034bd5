"""The controller manager: one process, one file (or folder) per controller.

Each controller follows what it cares about through shared informers, decides by a pure function of what it sees, and
writes through the client. Every loop is level-driven: killed at any instant and started again, it converges from what
it observes. ``contract`` says what a controller is, ``roster`` lists them, ``program`` runs them under a leader lease.
"""
