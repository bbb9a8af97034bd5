"""``kijabi scheduler``."""

from kijabi.cli import component

command = component.verb("scheduler", "Run the scheduler (upstream: kube-scheduler).")
