"""A pod's volumes: what must be in them (``content``, pure), written atomically (``atomic``), and mounted (``setup``).

Left out: CSI, network file systems, block devices, image volumes, ephemeral claims' creation (a controller's work).
"""
