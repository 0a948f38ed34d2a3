"""The core's CRC-64 and LZF, which RDB files and DUMP payloads use (core/base/crc64.h, core/base/lzf.h)."""

from __future__ import annotations

from redistill._core import ffi, lib


def crc64(data: bytes | memoryview, crc: int = 0) -> int:
    """The checksum `crc` continued over `data`."""
    return int(lib.rd_crc64(crc, ffi.from_buffer(data), len(data)))


def lzf_decompress(packed: bytes, length: int) -> bytes | None:
    """The `length` bytes that `packed` stands for; None if it is broken or has another length.

    It is checked before memory is taken. The caller bounds `length`.
    """
    memory = ffi.from_buffer("uint8_t[]", packed)
    if not lib.rd_lzf_decompress(memory, len(packed), ffi.NULL, length):
        return None
    text = bytearray(length)
    if not lib.rd_lzf_decompress(memory, len(packed), ffi.from_buffer("uint8_t[]", text), length):
        return None
    return bytes(text)
