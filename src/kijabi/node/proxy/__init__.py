"""kube-proxy: Services as rules of the kernel's packet filter.

``rules`` says, for Services and EndpointSlices, which chains and map elements there should be; ``script`` turns the
difference to what is loaded into one nftables transaction; ``nft`` loads it. A change of one endpoint touches the
chains of its Service and nothing else; a restart loads everything in one step, so traffic never meets half a table.
Source: "Virtual IPs and Service Proxies", KEP-3866 (nftables mode), KEP-1669 (terminating endpoints).

Left out so far: IPv6, a forwarder for kernels without nftables, ``loadBalancerSourceRanges``.
"""
