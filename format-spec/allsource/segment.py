"""Segments files. SPEC.md, section 11."""

import struct

from . import record, sealed
from .base import require

RECORDS, RUNS, SEGMENTS = 1, 2, 3
RUN_ENTRY, SEGMENT_ENTRY, RUN_MAX, PARTITIONS_MAX = 56, 32, 16 << 20, 1024
FIELDS = ("offset", "bytes", "events", "first_position", "last_position", "min_timestamp", "max_timestamp")


class Segments:
    """A segments file: its header, its segments with their runs, and the events of each, checked when read."""

    def __init__(self, data):
        self.data = data
        self.header = sealed.whole(data, "segments")
        self.header_crc = sealed.header_crc(data)
        require(self.header["source_crc"] == 0, "reserved", "source checksum of a file of segments")
        self.list = self.check_segments()
        self.check_runs()

    def section(self, kind):
        found = sealed.section(self.data, self.header, kind)
        require(found, "range", "a section is missing")
        return found

    def check_segments(self):
        table, count = self.section(SEGMENTS)
        require(count > 0 and len(table) == count * SEGMENT_ENTRY, "range", "table of segments")
        fields = ("partition", "run_count", "first_sequence", "events", "bytes")
        segments = [dict(zip(fields, entry)) for entry in struct.iter_unpack("<IIQQQ", table)]
        for found in segments:
            is_sound = found["partition"] < PARTITIONS_MAX and found["run_count"] and found["first_sequence"]
            require(is_sound and found["events"], "range", "segment")
        partitions = [found["partition"] for found in segments]
        require(partitions == sorted(set(partitions)), "order", "segments")
        records, count = self.section(RECORDS)
        require(sum(found["events"] for found in segments) == count == self.header["events"], "range", "events")
        require(sum(found["bytes"] for found in segments) == len(records), "range", "bytes")
        return segments

    def check_runs(self):
        header, (table, count) = self.header, self.section(RUNS)
        require(sum(found["run_count"] for found in self.list) == count, "range", "table of runs")
        require(len(table) == count * RUN_ENTRY, "range", "table of runs")
        runs = [dict(zip(FIELDS, entry)) for entry in struct.iter_unpack("<QQQQQqq", table)]
        for run in runs:
            require(run["events"] and 0 < run["first_position"] <= run["last_position"], "range", "run")
            require(run["min_timestamp"] <= run["max_timestamp"], "range", "times of a run")
        offset, rest = 0, iter(runs)
        for found in self.list:
            start, position = offset, header["first_position"] - 1
            found["runs"] = [next(rest) for _ in range(found["run_count"])]
            for run in found["runs"]:
                require(run["offset"] == offset and run["bytes"] <= RUN_MAX, "range", "place of a run")
                require(run["first_position"] > position, "order", "runs")
                offset, position = offset + run["bytes"], run["last_position"]
            require(offset - start == found["bytes"] and position <= header["last_position"], "range", "end of the runs")
            require(sum(run["events"] for run in found["runs"]) == found["events"], "range", "events of the runs")
        times = min(run["min_timestamp"] for run in runs), max(run["max_timestamp"] for run in runs)
        require(times == (header["min_timestamp"], header["max_timestamp"]), "range", "times")

    def events(self, found):
        """Offset and event of every record in a segment, as one list per run."""
        recorded_at = None
        for run in found["runs"]:
            events = list(self.run(run))
            times = [event["timestamp"] for _, event in events]
            by_position = sorted((event["position"], event["recorded_at"]) for _, event in events)
            for position, time in zip(by_position, by_position[1:]):
                require(position[0] < time[0] and position[1] < time[1], "order", "positions or commit times")
            require(recorded_at is None or recorded_at < by_position[0][1], "order", "commit times")
            recorded_at = by_position[-1][1]
            said = (len(events), by_position[0][0], by_position[-1][0], min(times), max(times))
            require(said == tuple(run[field] for field in FIELDS[2:]), "range", "what a run says of itself")
            yield events

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
    """The meaning of a segments file."""
    file, segments = Segments(data), []
    fields = ("checksum", "position", "version", "tenant", "entity_id")
    for found in file.list:
        runs = [
            {**run, "records": [{"offset": at, **{name: event[name] for name in fields}} for at, event in events]}
            for run, events in zip(found["runs"], file.events(found))
        ]
        segments.append({**{name: found[name] for name in found if name != "run_count"}, "runs": runs})
    return {"header": file.header, "header_crc": file.header_crc, "segments": segments}
