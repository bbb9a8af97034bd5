"""libnftables: loads a script as one transaction, in this process and so in this process's network namespace."""

from __future__ import annotations

import ctypes
import ctypes.util


class Refused(Exception):
    """The kernel or the library would not take the script; nothing of it is in effect."""


class Nft:
    """One library context. Not to be used from two threads at once."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("nftables") or "libnftables.so.1"
        try:
            library = ctypes.CDLL(name)
        except OSError as error:
            raise Refused(f"libnftables is not installed: {error}") from error
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        for function in (library.nft_ctx_buffer_error, library.nft_ctx_buffer_output, library.nft_ctx_free):
            function.argtypes = [ctypes.c_void_p]
        for function in (library.nft_ctx_get_error_buffer, library.nft_ctx_get_output_buffer):
            function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_char_p
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self._library = library
        self._context = ctypes.c_void_p(library.nft_ctx_new(0))
        library.nft_ctx_buffer_error(self._context)
        library.nft_ctx_buffer_output(self._context)

    def run(self, script: str) -> str:
        """Load ``script``; gives what it prints (for ``list`` commands). Raises Refused."""
        status = self._library.nft_run_cmd_from_buffer(self._context, script.encode())
        output = self._library.nft_ctx_get_output_buffer(self._context) or b""
        complaint = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if status != 0:
            raise Refused(complaint.decode(errors="replace").strip() or f"status {status}")
        return bytes(output).decode()

    def close(self) -> None:
        self._library.nft_ctx_free(self._context)
