"""The format of one object: members, subfields, envelopes, index, footer (docs/format.md)."""

from __future__ import annotations

import json
import os
import struct
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, BinaryIO, Dict, Iterator, List, Optional, Tuple, Union

Source = Union[str, "os.PathLike[str]", bytes, BinaryIO]

_FACTS = struct.Struct(">BQQQIIIqqqq")
_ROW_END = struct.Struct(">QI")
_FOOTER = struct.Struct(">QQQQI")
_ROW = _FACTS.size + _ROW_END.size
_HAS_ENVELOPE, _IS_OPEN = 1, 2
_NULL_VALUE, _LOG_APPEND_TIME = 1, 2
_PIECE = 64 << 10
# What the format allows of a member with more than one record; a single record may be larger.
_MOST_ENVELOPE = 1 << 31
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class FormatError(ValueError):
    """The file is not an object, or is damaged, cut, or of an unknown version."""


@dataclass(frozen=True)
class Record:
    """One record of Kafka.

    offset is None in objects that keep values only; then nothing but the value is known, and a null
    value is an empty one. timestamp is in milliseconds since 1970, None where there is none.
    """

    value: Optional[bytes]
    key: Optional[bytes] = None
    offset: Optional[int] = None
    timestamp: Optional[int] = None
    log_append_time: bool = False
    headers: List[Tuple[bytes, Optional[bytes]]] = field(default_factory=list)
    topic: Optional[str] = None
    partition: Optional[int] = None

    @property
    def time(self) -> Optional[datetime]:
        """The timestamp in UTC; None where there is none or Python's years end before it."""
        if self.timestamp is None:
            return None
        try:
            return _EPOCH + timedelta(milliseconds=self.timestamp)
        except OverflowError:
            return None


def _need(condition: bool, what: str) -> None:
    if not condition:
        raise FormatError("damaged or cut: " + what)


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    if isinstance(source, (bytes, bytearray)):
        import io

        yield io.BytesIO(source)
    elif isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            yield file
    else:
        yield source


class _Stream:
    """A stream with a position and a way to give back what was read too much."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._ahead, self.at = file, b"", 0

    def some(self) -> bytes:
        data = self._ahead or self._file.read(_PIECE)
        self._ahead = b""
        self.at += len(data)
        return data

    def give_back(self, data: bytes) -> None:
        self.at -= len(data)
        self._ahead = data + self._ahead

    def exactly(self, size: int, what: str, or_end: bool = False) -> bytes:
        parts, left = [], size
        while left > 0:
            data = self.some()
            if not data:
                break
            parts.append(data[:left])
            if len(data) > left:
                self.give_back(data[left:])
            left -= len(parts[-1])
        data = b"".join(parts)
        if or_end and not data:
            return data
        _need(len(data) == size, what)
        return data


@dataclass
class _Member:
    begin: int
    end: int
    found: Dict[str, bytes]
    frames: bytes
    deflated: int


def _subfields(extra: bytes) -> Dict[str, bytes]:
    found: Dict[str, bytes] = {}
    while extra:
        _need(len(extra) >= 4, "a subfield")
        (size,) = struct.unpack_from("<H", extra, 2)
        name, content, extra = extra[:2], extra[4 : 4 + size], extra[4 + size :]
        _need(len(content) == size, "a subfield is longer than the extra field")
        if name != b"BF":
            continue
        _need(size >= 6 and struct.pack(">I", zlib.crc32(content[:-4])) == content[-4:], "checksum of a subfield")
        if content[0] != 1:
            raise FormatError("version %d of the format; this package reads version 1" % content[0])
        kind = chr(content[1])
        _need(kind not in found, "two subfields of one type")
        found[kind] = content[2:-4]
    return found


def _members(stream: _Stream) -> Iterator[_Member]:
    while True:
        begin = stream.at
        head = stream.exactly(12, "the header of a member", or_end=True)
        if not head:
            return
        if head[:4] != b"\x1f\x8b\x08\x04":
            raise FormatError(
                "no object of Bifrost: plain Baldr.gz is read with gzip, and has values only"
                if begin == 0
                else "damaged: the header of a member"
            )
        found = _subfields(stream.exactly(struct.unpack_from("<H", head, 10)[0], "an extra field"))
        _need(bool(found), "a member without a subfield of Bifrost's")
        body, inflater, parts = stream.at, zlib.decompressobj(-15), []
        while not inflater.eof:
            piece = stream.some()
            _need(bool(piece), "the end is inside a member")
            try:
                parts.append(inflater.decompress(piece))
            except zlib.error as error:
                raise FormatError("damaged: %s" % error) from None
        stream.give_back(inflater.unused_data)
        frames, deflated = b"".join(parts), stream.at - body
        trailer = stream.exactly(8, "the trailer of a member")
        _need(trailer == struct.pack("<II", zlib.crc32(frames), len(frames) & 0xFFFFFFFF), "checksum of a member")
        yield _Member(begin, stream.at, found, frames, deflated)


def _add_chunk(blob: bytes, body: bytes) -> bytes:
    _need(len(body) >= 8, "a chunk")
    total, place = struct.unpack_from(">II", body)
    _need(place == len(blob) and len(blob) + len(body) - 8 <= total, "a chunk is out of its place")
    return blob + body[8:]


def _inflate(data: bytes, size: Optional[int], what: str) -> bytes:
    inflater = zlib.decompressobj(-15)
    try:
        inflated = inflater.decompress(data, (size or _MOST_ENVELOPE) + 1)
    except zlib.error as error:
        raise FormatError("damaged: %s: %s" % (what, error)) from None
    _need(inflater.eof and not inflater.unused_data, what)
    return inflated


class _Column:
    """A column of an envelope; one that is left out has zeros."""

    def __init__(self, data: Optional[bytes]) -> None:
        self.data, self.at = data, 0

    def number(self) -> int:
        if self.data is None:
            return 0
        value = shift = 0
        while True:
            _need(self.at < len(self.data) and shift < 70, "a column ends early")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def take(self, size: int) -> bytes:
        if not size:
            return b""
        data = (self.data or b"")[self.at : self.at + size]
        _need(len(data) == size, "a column ends early")
        self.at += size
        return data

    def nullable(self, contents: "_Column") -> Optional[bytes]:
        length = self.number()
        return contents.take(length - 1) if length else None

    def end(self) -> None:
        _need(self.data is None or self.at == len(self.data), "something remains of a column")


def _values(frames: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(frames):
        _need(at + 8 <= len(frames), "a frame is longer than its member")
        (size,) = struct.unpack_from(">Q", frames, at)
        at += 8 + size
        _need(at <= len(frames), "a frame is longer than its member")
        yield frames[at - size : at]


def _decode(first: int, envelope: bytes, frames: bytes) -> Iterator[Record]:
    given: Dict[int, bytes] = {}
    while envelope:
        _need(len(envelope) >= 5, "a column")
        number, size = struct.unpack_from(">BI", envelope)
        _need(len(envelope) >= 5 + size and number not in given, "a column")
        given[number], envelope = envelope[5 : 5 + size], envelope[5 + size :]
    columns = [_Column(given.get(number)) for number in range(1, 10)]
    offsets, timestamps, flags, key_lengths, keys, counts, lengths, header_keys, header_values = columns
    offset, timestamp = first - 1, -1 if timestamps.data is None else 0
    for value in _values(frames):
        offset += 1 + offsets.number()
        change, flag = timestamps.number(), flags.number()
        timestamp = (timestamp + (change >> 1 ^ -(change & 1)) + 2**63) % 2**64 - 2**63
        _need(flag <= 3 and not (flag & _NULL_VALUE and value), "flags of a record")
        key = key_lengths.nullable(keys)
        headers = []
        for _ in range(counts.number()):
            name = header_keys.take(lengths.number())
            headers.append((name, lengths.nullable(header_values)))
        yield Record(
            value=None if flag & _NULL_VALUE else value,
            key=key,
            offset=offset,
            timestamp=None if timestamp == -1 else timestamp,
            log_append_time=bool(flag & _LOG_APPEND_TIME),
            headers=headers,
        )
    for column in columns:
        column.end()


def _member_records(facts: Tuple[Any, ...], spilled: bytes, frames: bytes) -> List[Record]:
    if not facts[0] & _HAS_ENVELOPE:
        return [Record(value=value) for value in _values(frames)]
    envelope = _inflate(spilled, facts[4], "an envelope") if spilled else b""
    _need((len(envelope), len(spilled), zlib.crc32(envelope)) == facts[4:7], "checksum of an envelope")
    records = list(_decode(facts[7], envelope, frames))
    _need(bool(records) and records[-1].offset == facts[8], "the last offset of a member")
    return records


class _Reader:
    """Goes through an object from its beginning to its footer, and checks all of it."""

    def __init__(self, file: BinaryIO) -> None:
        self.stream = _Stream(file)
        self.summary: Dict[str, Any] = {}
        self._rows, self._count = b"", 0

    def batches(self) -> Iterator[List[Record]]:
        """The records of each data member. What comes is checked; that all came, only the end of it tells."""
        spilled = index = b""
        part: Optional[int] = None
        index_at = summary_at = -1
        footer: Optional[Tuple[Any, ...]] = None
        end = 0
        for m in _members(self.stream):
            _need(footer is None, "something stands behind the footer")
            end = m.end
            if "E" in m.found:
                part = m.begin if part is None else part
                spilled = _add_chunk(spilled, m.found["E"])
            if "D" in m.found:
                yield self._take_data(m, spilled, m.begin if part is None else part)
                spilled, part = b"", None
            elif m.frames:
                raise FormatError("damaged: data in a member without facts")
            if "I" in m.found:
                index_at = m.begin if index_at < 0 else index_at
                index = _add_chunk(index, m.found["I"])
            if "S" in m.found:
                summary_at, self.summary = m.begin, _parse_summary(m.found["S"])
            if "F" in m.found:
                _need(len(m.found["F"]) == _FOOTER.size, "the footer")
                footer = _FOOTER.unpack(m.found["F"])
        if footer is None or end != footer[0]:
            raise FormatError("cut: the file ends before its footer")
        listed = _inflate(index, None, "the index")
        seen = (index_at, summary_at, len(self._rows) // _ROW, zlib.crc32(listed))
        _need(footer[1:] == seen, "the footer")
        rows = self._rows
        if rows[:1] == bytes([_IS_OPEN]):  # the index alone knows the offsets and times of an open member
            rows = rows[:37] + listed[37:69] + rows[69:]
        _need(listed == rows and self.summary.get("records") == self._count, "the index or the summary")

    def _take_data(self, m: _Member, spilled: bytes, begin: int) -> List[Record]:
        _need(len(m.found["D"]) == _FACTS.size, "facts of a member")
        facts = _FACTS.unpack(m.found["D"])
        records = _member_records(facts, spilled, m.frames)
        seen = (facts[0], len(records), len(m.frames), m.deflated) + facts[4:]
        _need(seen == facts or bool(facts[0] & _IS_OPEN), "facts of a member")
        self._rows += _FACTS.pack(*seen) + _ROW_END.pack(m.end - begin, zlib.crc32(m.frames))
        self._count += len(records)
        return records


def _parse_summary(text: bytes) -> Dict[str, Any]:
    try:
        summary = json.loads(text)
    except ValueError as error:
        raise FormatError("damaged: the summary: %s" % error) from None
    if not isinstance(summary, dict) or summary.get("kind") not in ("records", "gap"):
        raise FormatError("the summary is of an unknown kind")
    return summary


def read(source: Source) -> Iterator[Record]:
    """The records of an object: a path, its bytes, or a binary file that is read from where it stands.

    The records come with topic and partition only from read_topic, which has read the summary before.
    What has come is checked. That nothing is missing is known when the iteration ends: a file that was
    cut raises FormatError then, and not before.
    """
    with _opened(source) as file:
        for batch in _Reader(file).batches():
            yield from batch


def summary(source: Source) -> Dict[str, Any]:
    """What an object says of itself (docs/format.md, "The summary"), read from its end.

    Source is a path, bytes, or a binary file that can seek. The index is checked, the records are not read.
    """
    with _opened(source) as file:
        size = file.seek(0, os.SEEK_END)
        _need(size >= 68, "the footer")
        file.seek(size - 68)
        (member,) = _members(_Stream(file))
        _need("F" in member.found and len(member.found["F"]) == _FOOTER.size, "the footer")
        footer = _FOOTER.unpack(member.found["F"])
        _need(footer[0] == size and footer[1] < size, "the footer")
        file.seek(footer[1])
        index, found = b"", None
        for m in _members(_Stream(file)):
            if "I" in m.found:
                index = _add_chunk(index, m.found["I"])
            if "S" in m.found:
                found = _parse_summary(m.found["S"])
        _need(zlib.crc32(_inflate(index, None, "the index")) == footer[4], "checksum of the index")
        if found is None:
            raise FormatError("damaged: no summary")
        return found
