"""Segments. SPEC.md, section 11."""

import struct

from . import record, sealed
from .base import require

RECORDS, RUNS = 1, 2
RUN_ENTRY, RUN_MAX, PARTITIONS_MAX = 56, 16 << 20, 1024
FIELDS = ("offset", "bytes", "events", "first_position", "last_position", "min_timestamp", "max_timestamp")


class Segment:
    """A segment: its header, its runs, and the events of each, which are checked when they are read."""

    def __init__(self, data):
        self.data = data
        self.header = sealed.whole(data, "segment")
        self.header_crc = sealed.header_crc(data)
        self.partition = self.header["partition"]
        self.runs = self.check_runs()

    def check_runs(self):
        header = self.header
        require(header["source_crc"] == 0, "reserved", "source checksum of a segment")
        require(header["first_sequence"] and self.partition < PARTITIONS_MAX, "range", "partition or sequence")
        records, table = (sealed.section(self.data, header, kind) for kind in (RECORDS, RUNS))
        require(records and table, "range", "a section is missing")
        require(table[1] > 0 and len(table[0]) == table[1] * RUN_ENTRY, "range", "table of runs")
        runs = [dict(zip(FIELDS, entry)) for entry in struct.iter_unpack("<QQQQQqq", table[0])]
        offset, position = 0, header["first_position"] - 1
        for run in runs:
            require(run["events"] and 0 < run["first_position"] <= run["last_position"], "range", "run")
            require(run["min_timestamp"] <= run["max_timestamp"], "range", "times of a run")
            require(run["offset"] == offset and run["bytes"] <= RUN_MAX, "range", "place of a run")
            require(run["first_position"] > position, "order", "runs")
            offset, position = offset + run["bytes"], run["last_position"]
        require(offset == len(records[0]) and position <= header["last_position"], "range", "end of the runs")
        require(sum(run["events"] for run in runs) == records[1] == header["events"], "range", "events")
        times = min(run["min_timestamp"] for run in runs), max(run["max_timestamp"] for run in runs)
        require(times == (header["min_timestamp"], header["max_timestamp"]), "range", "times")
        return runs

    def events(self):
        """Offset and event of every record, a list for each run."""
        recorded_at = None
        for run in self.runs:
            found = list(self.run(run))
            times = [event["timestamp"] for _, event in found]
            by_position = sorted((event["position"], event["recorded_at"]) for _, event in found)
            for position, time in zip(by_position, by_position[1:]):
                require(position[0] < time[0] and position[1] < time[1], "order", "positions or commit times")
            require(recorded_at is None or recorded_at < by_position[0][1], "order", "commit times")
            recorded_at = by_position[-1][1]
            said = (len(found), by_position[0][0], by_position[-1][0], min(times), max(times))
            require(said == tuple(run[field] for field in FIELDS[2:]), "range", "what a run says of itself")
            yield found

    def run(self, run):
        start = self.header["sections"][0]["offset"] + run["offset"]
        at, end, before = start, start + run["bytes"], None
        view = memoryview(self.data)
        while at < end:
            event, length = record.read(view[at:end])
            key = event["tenant"].encode(), event["entity_id"].encode()
            if before and key == before[0]:
                follows = event["version"] == before[1] + 1 and event["position"] > before[2]
            else:
                follows = not before or key > before[0]
            require(follows, "order", "records of a run")
            before = key, event["version"], event["position"]
            event["checksum"], event["length"] = struct.unpack_from("<I", self.data, at + 4)[0], length
            yield at, event
            at += length


def read(data):
    """What a segment says."""
    segment = Segment(data)
    fields = ("checksum", "position", "version", "tenant", "entity_id")
    runs = [
        {**run, "records": [{"offset": at, **{name: event[name] for name in fields}} for at, event in events]}
        for run, events in zip(segment.runs, segment.events())
    ]
    return {"header": segment.header, "header_crc": segment.header_crc, "runs": runs}
