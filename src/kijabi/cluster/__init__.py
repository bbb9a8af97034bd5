"""Clusters on this machine: the assembly of the components into something that runs.

``assembly`` says in which order; ``supervisor`` keeps processes alive; ``nodes`` and ``network`` make local nodes out
of network namespaces; ``images`` builds container images from the distribution's packages; ``state`` is what is written
down. Every step can be repeated: ``up`` on a half-built or half-dead cluster completes it, ``down`` removes whatever
it finds.

Guarantees: nothing is installed into the host's own network namespace but one bridge, its routes and one nftables table
per cluster, and ``down`` leaves no process, mount, namespace, link, route, cgroup or file behind. Two clusters never
share a name, an address or a port.

Left out: clusters over several machines are joined by token, not assembled here.
"""
