"""From the selectors of a request to what the watch cache looks for."""

from __future__ import annotations

from collections.abc import Callable

from kijabi.api import errors, labels, selectors
from kijabi.apiserver.registry import traits
from kijabi.apiserver.registry.registry import Endpoint
from kijabi.apiserver.watchcache.entry import Facts
from kijabi.apiserver.watchcache.watcher import EVERYTHING, Interest

# Fields that many watchers ask for one value of each: every kubelet for the pods of its node, everyone who waits for
# one object. A change is then offered to those few watchers only.
_TRIGGERS = ("metadata.name", "spec.nodeName")


def interest(endpoint: Endpoint, namespace: str, label_text: str, field_text: str, name: str = "") -> Interest:
    """``name`` is that of a single-object watch by path. Raises BadRequest for selectors that cannot be read."""
    if not label_text and not field_text and not name:
        return Interest(namespace) if namespace else EVERYTHING
    wanted_labels, wanted_fields = _parse(endpoint, label_text, field_text)
    if name:
        given = wanted_fields.exact("metadata.name")
        if not wanted_fields.everything and given != name:
            raise errors.BadRequest("fieldSelector metadata.name doesn't match requested name")
        wanted_fields = selectors.parse_fields(f"metadata.name={selectors.escape(name)}")
    also = None
    if _has_own_fields(endpoint):
        wanted_fields, own = wanted_fields.split(selectors.COMMON)
        also = _asking(endpoint, own) if not own.everything else None

    def matches(facts: Facts) -> bool:
        return wanted_labels.matches(facts.labels) and wanted_fields.matches(facts.fields)

    trigger = ("", "")
    for field in _TRIGGERS:
        value = wanted_fields.exact(field)
        if value is not None:
            trigger = (field, value)
            break
    if wanted_labels.everything and wanted_fields.everything:
        return Interest(namespace, also=also)
    return Interest(namespace, matches, trigger, also)


def _has_own_fields(endpoint: Endpoint) -> bool:
    """Whether a version of a custom resource may select by other fields than the stored one."""
    return endpoint.cache.reader is not endpoint.strategy and not traits.is_builtin(endpoint.resource.group)


def _asking(endpoint: Endpoint, wanted: selectors.FieldSelector) -> Callable[[bytes], bool]:
    """Asks the object as this version has it. Where a webhook makes it, its codec must be ready for the value."""

    def also(value: bytes) -> bool:
        return wanted.matches(endpoint.strategy.fields(endpoint.codec.decode(value, 0)))

    return also


def _parse(endpoint: Endpoint, label_text: str, field_text: str) -> tuple[labels.Selector, selectors.FieldSelector]:
    try:
        wanted_labels = labels.parse(label_text)
        wanted_fields = selectors.parse_fields(field_text)
    except (labels.Malformed, selectors.Malformed) as error:
        raise errors.BadRequest(str(error)) from error
    offered = endpoint.strategy.fields({"metadata": {}})
    problem = selectors.unsupported(wanted_fields, offered, endpoint.resource.kind)
    if problem:
        raise errors.BadRequest(problem)
    # What is matched is the stored object, whose version may have other names.
    renamed = endpoint.strategy.extra.get("stored_field")
    return wanted_labels, wanted_fields.renamed(renamed) if renamed is not None else wanted_fields
