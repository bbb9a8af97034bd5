"""The node agent: what the API says should run here, made to run, and told back.

One worker per pod (``worker``) turns what it sees (the pod, the runtime's records, probe results, time) into a list of
instructions by a pure function (``decide``), carries out the first of them, looks again, and stops when there is
nothing to do. What is told to the API is a pure function of the same facts (``status``, ``conditions``).

Guarantees: a kubelet can be killed at any instant; the next one adopts the containers it finds by their labels and
restarts none that runs. Instructions for one pod are carried out one after the other. A pod that is being deleted is
removed from the API only after all its containers have stopped and its volumes are gone.

Left out: image garbage collection by disk thresholds, eviction under node pressure, in-place resize of running
containers, device plug-ins, dynamic resources, CSI volumes, user namespaces, swap, checkpointing, Windows.
"""
