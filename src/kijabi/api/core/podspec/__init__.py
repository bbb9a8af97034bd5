"""The pod spec, which pods and every pod template share: defaults, validation, warnings.

``validation`` goes through a spec in upstream's order and leaves the parts to files by subject: ``containers`` (with
``environment``, ``mounts``, ``requirements``, ``restarts``, ``probes``), ``volumes`` (with ``sources``, which
PersistentVolumes have too), ``security``, ``placement``, ``network``, ``annotated``. ``advice`` is what is accepted
with a warning. ``sound`` remembers the specs about which there is nothing to say.
"""
