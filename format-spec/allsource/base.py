"""What all structures of the format share. SPEC.md, sections 1 and 14."""

import struct
import zlib

BLOCK = 4096
READ_VERSION, OLDEST_VERSION = 2, 2
TIMES = (-62_135_596_800_000_000, 253_402_300_799_999_999)


class Refused(Exception):
    """Bytes were refused; `reason` is the word the vectors use."""

    def __init__(self, reason, detail):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


def require(condition, reason, detail):
    if not condition:
        raise Refused(reason, detail)


def begins(data, magic, size, end, what):
    """Checks the start of a file: magic, checksum of its first bytes, version. Returns the checksum."""
    require(len(data) >= 8, "short", what)
    require(data[:8] == magic, "magic", what)
    require(len(data) >= size, "short", what)
    crc, write, read = struct.unpack_from("<IHH", data, 8)
    require(crc == zlib.crc32(data[12:end]), "checksum", what)
    require(read >= OLDEST_VERSION, "older", f"{what} of a build before the first release")
    require(read <= READ_VERSION, "newer", f"{what} written by version {write}, needs {read}")
    return crc
