#!/usr/bin/env python3
"""Reads a Baldr.gz object as docs/format.md describes it, with nothing but the standard library.

    read_baldr.py FILE            one line of JSON a record; keys, values, headers in base64
    read_baldr.py FILE --summary  what the object says of itself

It shares no code with package baldr.
"""
import base64, json, struct, sys, zlib
FACTS, ROW_END, FOOTER = struct.Struct(">BQQQIIIqqqq"), struct.Struct(">QI"), struct.Struct(">QQQQI")
HAS_ENVELOPE, IS_OPEN, NULL_VALUE, LOG_APPEND_TIME = 1, 2, 1, 2


def need(condition, what):
    if not condition:
        raise ValueError("damaged: " + what)


def text(data):
    return None if data is None else base64.b64encode(data).decode()


def members(data):
    """Yields begin, end, subfields, inflated data and deflated size of each gzip member."""
    begin = at = 0
    while at < len(data):
        need(data[at:at + 4] == b"\x1f\x8b\x08\x04", "header of a member")
        size, = struct.unpack_from("<H", data, at + 10)
        at += 12 + size
        found, inflated, body, inflater = dict(subfields(data[at - size:at])), b"", at, zlib.decompressobj(-15)
        while not inflater.eof:
            need(at < len(data), "cut inside a member")
            piece = data[at:at + 65536]
            inflated += inflater.decompress(piece)
            at += len(piece) - len(inflater.unused_data)
        at += 8
        need(data[at - 8:at] == struct.pack("<II", zlib.crc32(inflated), len(inflated) & 0xFFFFFFFF), "trailer of a member")
        yield begin, at, found, inflated, at - 8 - body
        begin = at


def subfields(extra):
    while extra:
        size, = struct.unpack_from("<H", extra, 2)
        name, content, extra = extra[:2], extra[4:4 + size], extra[4 + size:]
        need(len(content) == size, "subfield longer than the extra field")
        if name == b"BF":
            need(struct.pack(">I", zlib.crc32(content[:-4])) == content[-4:], "checksum of a subfield")
            need(content[0] == 1, "unknown version")
            yield chr(content[1]), content[2:-4]


def add_chunk(blob, body):
    total, place = struct.unpack_from(">II", body)
    need(place == len(blob) <= total, "chunk out of its place")
    return blob + body[8:]


class Column:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self):
        value, shift, byte = 0, 0, 0x80
        while self.data is not None and byte >= 0x80:  # a column that is left out has zeros
            byte = self.data[self.at]
            self.at, value, shift = self.at + 1, value | (byte & 0x7F) << shift, shift + 7
        return value

    def take(self, size):
        self.at += size
        return self.data[self.at - size:self.at] if size else b""

    def nullable(self, contents):
        length = self.number()
        return contents.take(length - 1) if length else None


def values(frames):
    at = 0
    while at < len(frames):
        size, = struct.unpack_from(">Q", frames, at)
        at += 8 + size
        need(at <= len(frames), "frame longer than its member")
        yield frames[at - size:at]


def decode(first, envelope, frames):
    given = {}
    while envelope:
        number, size = struct.unpack_from(">BI", envelope)
        given[number], envelope = envelope[5:5 + size], envelope[5 + size:]
    offsets, timestamps, flags, key_lengths, keys, counts, lengths, header_keys, header_values = (
        Column(given.get(number)) for number in range(1, 10))
    offset, timestamp = first - 1, -1 if timestamps.data is None else 0
    for value in values(frames):
        offset, change, flag = offset + 1 + offsets.number(), timestamps.number(), flags.number()
        timestamp = (timestamp + (change >> 1 ^ -(change & 1)) + 2**63) % 2**64 - 2**63
        yield {"offset": offset, "timestamp": timestamp, "log_append_time": bool(flag & LOG_APPEND_TIME),
               "key": text(key_lengths.nullable(keys)), "value": None if flag & NULL_VALUE else text(value),
               "headers": [[text(header_keys.take(lengths.number())), text(lengths.nullable(header_values))]
                           for _ in range(counts.number())]}


def read_data(facts, spilled, frames):
    if not facts[0] & HAS_ENVELOPE:
        return [{"value": text(value)} for value in values(frames)]
    envelope = zlib.decompress(spilled, -15) if spilled else b""
    need((len(envelope), len(spilled), zlib.crc32(envelope)) == facts[4:7], "envelope")
    records = list(decode(facts[7], envelope, frames))
    need(records[-1]["offset"] == facts[8], "last offset")
    return records


def read(data):
    """Returns the records and the summary of an object."""
    records, rows, spilled, index, footer, part, index_at = [], b"", b"", b"", None, None, None
    for begin, end, found, frames, deflated in members(data):
        if "E" in found:
            part = begin if part is None else part
            spilled = add_chunk(spilled, found["E"])
        if "D" in found:
            facts = FACTS.unpack(found["D"])
            more = read_data(facts, spilled, frames)
            seen = (facts[0], len(more), len(frames), deflated) + facts[4:]
            need(seen == facts or facts[0] & IS_OPEN, "facts of a data member")
            rows += FACTS.pack(*seen) + ROW_END.pack(end - (begin if part is None else part), zlib.crc32(frames))
            records += more
            spilled, part = b"", None
        if "I" in found:
            index_at, index = begin if index_at is None else index_at, add_chunk(index, found["I"])
        if "S" in found:
            summary_at, summary = begin, json.loads(found["S"])
        footer = FOOTER.unpack(found["F"]) if "F" in found else None
    need(footer is not None and end == footer[0], "cut before the footer")
    listed = zlib.decompress(index, -15)
    need(footer[1:] == (index_at, summary_at, len(rows) // 81, zlib.crc32(listed)), "footer")
    if rows[:1] == bytes([IS_OPEN]):  # the index alone knows the offsets and timestamps of an open member
        rows = rows[:37] + listed[37:69] + rows[69:]
    need(listed == rows and summary["records"] == len(records), "index or summary")
    return records, summary


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        all_records, its_summary = read(file.read())
    for line in [its_summary] if "--summary" in sys.argv else all_records:
        print(json.dumps(line))
