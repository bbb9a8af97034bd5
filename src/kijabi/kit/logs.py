"""Logging set-up for a program: one line per record on standard error, as text or JSON."""

from __future__ import annotations

import logging
import sys
import time

import orjson

_LEVELS = {logging.DEBUG: "D", logging.INFO: "I", logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "F"}


class Text(logging.Formatter):
    """klog's header: level, date, time, process, file, then the message."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%m%d %H:%M:%S", time.localtime(record.created))
        micros = int(record.created % 1 * 1_000_000)
        head = (
            f"{_LEVELS.get(record.levelno, 'I')}{stamp}.{micros:06d} {record.process:>7} {record.name}:{record.lineno}]"
        )
        text = f"{head} {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "ts": round(record.created * 1000, 3),
            "level": record.levelname.lower(),
            "caller": f"{record.name}:{record.lineno}",
            "msg": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return orjson.dumps(entry).decode()


def configure(level: int = logging.INFO, fmt: str = "text") -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if fmt == "json" else Text())
    logging.basicConfig(level=level, handlers=[handler], force=True)
