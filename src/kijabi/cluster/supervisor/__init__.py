"""One process per cluster that keeps its components running.

The daemon loads each component's code once and forks the component from itself, so that they start in milliseconds and
share their memory pages; what is not ours (containerd) is executed. It restarts what dies, with back-off, and takes
commands as JSON lines over a Unix socket. It knows processes, not Kubernetes: ``assembly`` tells it what to keep.

    plan      what to do next about one component: pure
    process   start one component: fork, enter the namespace, run
    daemon    the loop: commands, deaths, timers
    control   the other end of the socket

Guarantees: a component that is killed runs again within a second (later when it keeps dying). When the daemon itself is
killed, the kernel asks its components to end (PR_SET_PDEATHSIG), containers keep running, and ``up`` starts everything
again and adopts them. The daemon has one thread and no event loop, because it forks.
"""
