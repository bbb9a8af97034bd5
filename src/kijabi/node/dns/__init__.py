"""The DNS of the cluster: authoritative for the cluster domain, a caching forwarder for everything else.

Source: https://github.com/kubernetes/dns/blob/master/docs/specification.md (version 1.1.0); what that leaves open is
done as CoreDNS does it with kubeadm's configuration.

    records   which records a Service with its EndpointSlices has: pure
    zone      name and type → packed answers, updated Service by Service
    wire      the few parts of RFC 1035 that every query meets
    answer    query bytes in, answer bytes out (or: forward it): pure
    forward   ask the resolvers of the node, remember what they said
    server    UDP and TCP
    watch     Services, EndpointSlices and Namespaces into the zone
    program   the flags, and putting it together

Guarantees: an answer out of the zone costs a dictionary look-up and no parsing; before the first list is in, names of
the cluster get SERVFAIL and never a wrong NXDOMAIN. Left out: zone transfers, DNSSEC of the cluster's own zone (as
upstream), wildcards (dropped by the specification 1.1).
"""
