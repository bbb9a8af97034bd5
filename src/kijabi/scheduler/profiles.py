"""A profile: the rules by which the pods of one scheduler name are placed."""

from __future__ import annotations

from dataclasses import dataclass, field

from kijabi.scheduler import cycle, plugins, preemption

DEFAULT_NAME = "default-scheduler"


@dataclass(frozen=True, slots=True)
class Profile:
    """``name`` is what pods say in ``schedulerName``."""

    name: str = DEFAULT_NAME
    rules: cycle.Rules = field(default_factory=lambda: cycle.Rules(plugins.FILTERS, plugins.SCORES))
    preempts: bool = True
    limits: preemption.Limits = field(default_factory=preemption.Limits)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a scheduler does, whoever runs it. Times in seconds."""

    profiles: tuple[Profile, ...] = field(default_factory=lambda: (Profile(),))
    initial_backoff: float = 1.0
    max_backoff: float = 10.0
