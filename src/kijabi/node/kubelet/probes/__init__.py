"""Liveness, readiness and startup probes: when one counts (``state``, pure), how one is asked (``check``), and the
loops that ask (``prober``).

Source: the documented "Configure Liveness, Readiness and Startup Probes"; upstream's thresholds, texts and jitter.
"""
