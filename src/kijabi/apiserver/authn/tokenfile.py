"""Users by tokens in a file: lines of CSV with token, user name, uid, and optionally a quoted list of groups.

Source: the Kubernetes documentation, "Static Token File".
"""

from __future__ import annotations

import csv
import logging
from pathlib import Path

from kijabi.apiserver import contract
from kijabi.kit import config

log = logging.getLogger(__name__)


class Unusable(config.Unusable):
    """A line with too few columns."""


def read(path: str) -> dict[str, contract.UserInfo]:
    """Token -> user. Raises Unusable, OSError."""
    found: dict[str, contract.UserInfo] = {}
    with Path(path).open(newline="") as file:
        for number, record in enumerate((one for one in csv.reader(file) if one), start=1):
            if len(record) < 3:
                raise Unusable(
                    f"token file '{path}' must have at least 3 columns (token, user name, user uid), "
                    f"found {len(record)}"
                )
            token, name, uid = record[:3]
            if not token:
                log.warning("empty token has been found in token file '%s', record number '%d'", path, number)
                continue
            if token in found:
                log.warning("duplicate token has been found in token file '%s', record number '%d'", path, number)
            groups = tuple(record[3].split(",")) if len(record) > 3 else ()
            found[token] = contract.UserInfo(name, uid, groups)
    return found
