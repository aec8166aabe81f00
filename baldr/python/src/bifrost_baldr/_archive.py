"""Topics of an archive: which objects there are, in a bucket or in a directory, and their records in order."""

from __future__ import annotations

import io
import os
import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional, Tuple, Union

from ._format import FormatError, Record, read, summary

Time = Union[datetime, str, int, None]

_KEY = re.compile(r"^(?P<start>[0-9]+)(~(?P<alternative>[0-9]+))?\.baldr\.gz$")
_PARTITION = re.compile(r"^partition=([0-9]+)$")


@dataclass(frozen=True)
class ObjectFile:
    """One object of a topic, which is not read yet."""

    name: str  # path, or s3://bucket/key
    partition: int
    start: int  # first offset, by its name
    alternative: int  # 0, or the number behind "~" in its name
    open: Callable[[], BinaryIO]

    def summary(self) -> Dict[str, Any]:
        """What the object says of itself: kind ("records" or "gap"), offsets, times, counts."""
        with self.open() as file:
            return summary(file)


def objects(archive: Union[str, "os.PathLike[str]"], topic: str, *, partition: Optional[int] = None, client: Any = None) -> List[ObjectFile]:
    """The objects of a topic in order of partition and offset, gaps included.

    archive is s3://bucket/group, or a directory with the objects of a group. topic is the archive's name
    of one life of a topic: orders, or orders@ID. client is a client of boto3 for S3; without one, boto3's
    own settings count. Raises LookupError if there is none: a name that is wrong is no empty topic. Warns
    (UserWarning) if the topic was deleted and made again, and goes on under names that this one does not include.
    """
    text = os.fspath(archive)
    if text.startswith("s3://"):
        bucket, _, group = text[5:].strip("/").partition("/")
        client = client or _new_client()
        prefix = "/".join(filter(None, [group, topic]))
        found = list(_in_bucket(client, bucket, prefix + "/"))
        lives = _lives_in_bucket(client, bucket, prefix)
    else:
        found = list(_in_directory(os.path.join(text, topic)))
        lives = _lives_in_directory(text, topic)
    if not found:
        raise LookupError("%s has no object of topic %r: look at the group in the one, and at capitals and @ID in the other" % (text, topic))
    if lives:
        warnings.warn("%s is the first life of the topic; it goes on as %s: name that for what came later" % (topic, ", ".join(lives)), stacklevel=2)
    chosen = [o for o in found if partition is None or o.partition == partition]
    if not chosen:
        raise LookupError("%s has no object of partition %s of topic %r: it has some of %s" % (text, partition, topic, sorted({o.partition for o in found})))
    return sorted(chosen, key=lambda o: (o.partition, o.start, o.alternative))


def _new_client() -> Any:
    try:
        import boto3
    except ImportError:
        raise ImportError("reading from S3 needs boto3: pip install 'bifrost-baldr[s3]'") from None
    return boto3.client("s3")


def _parse(partition: str, name: str) -> Optional[Tuple[int, int, int]]:
    number, key = _PARTITION.match(partition), _KEY.match(name)
    if not number or not key:
        return None
    return int(number.group(1)), int(key.group("start")), int(key.group("alternative") or 0)


def _in_bucket(client: Any, bucket: str, prefix: str) -> Iterator[ObjectFile]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            elements = item["Key"][len(prefix) :].split("/")
            parsed = _parse(*elements) if len(elements) == 2 else None
            if parsed:
                yield ObjectFile("s3://%s/%s" % (bucket, item["Key"]), *parsed, open=_fetch(client, bucket, item["Key"]))


def _lives_in_bucket(client: Any, bucket: str, prefix: str) -> List[str]:
    """The names under which a topic goes on, none for a name that is one of these."""
    names: List[str] = []
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix + "@", Delimiter="/"):
        names.extend(common["Prefix"].rstrip("/").rpartition("/")[2] for common in page.get("CommonPrefixes", []))
    return sorted(names)


def _lives_in_directory(archive: str, topic: str) -> List[str]:
    return sorted(e.name for e in os.scandir(archive) if e.is_dir() and e.name.startswith(topic + "@")) if os.path.isdir(archive) else []


def _fetch(client: Any, bucket: str, key: str) -> Callable[[], BinaryIO]:
    # Whole, so that a connection that breaks off is a failed read and never a short file.
    return lambda: io.BytesIO(client.get_object(Bucket=bucket, Key=key)["Body"].read())


def _in_directory(path: str) -> Iterator[ObjectFile]:
    for partition in os.listdir(path):
        directory = os.path.join(path, partition)
        for name in os.listdir(directory) if _PARTITION.match(partition) and os.path.isdir(directory) else []:
            parsed = _parse(partition, name)
            if parsed:
                file = os.path.join(directory, name)
                yield ObjectFile(file, *parsed, open=lambda file=file: open(file, "rb"))  # type: ignore[misc]


_TIMES = "want a datetime, ISO 8601 such as 2026-01-31T12:00:00Z, or milliseconds since 1970"


def _milliseconds(bound: str, time: Time) -> Optional[int]:
    if time is None or isinstance(time, int):
        return time
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time.replace("Z", "+00:00"))
        except ValueError:
            raise ValueError("%s %r is no time: %s" % (bound, time, _TIMES)) from None
    if not isinstance(time, datetime):
        raise TypeError("%s is %s: %s" % (bound, type(time).__name__, _TIMES))
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    since = time - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000


def read_topic(
    archive: Union[str, "os.PathLike[str]"],
    topic: str,
    *,
    partition: Optional[int] = None,
    start: int = 0,
    end: Optional[int] = None,
    since: Time = None,
    until: Time = None,
    key: Optional[bytes] = None,
    client: Any = None,
) -> Iterator[Record]:
    """The records of a topic, partition by partition in order of offsets, with topic and partition.

    All bounds are half-open. since and until are datetimes, ISO 8601 or milliseconds since 1970; what has no
    zone is UTC. Offsets that two objects hold come once. Objects without keys and offsets (Format=values) are
    refused as soon as a bound needs them. Behind the last record it warns once (UserWarning) of the offsets within
    start and end that are in recorded gaps, with the reason of each: erased, retention and so on. Raises LookupError if the archive has no object of the topic, or of
    the partition, and FormatError with the object's name if one is damaged.
    """
    if key is not None and not isinstance(key, bytes):
        raise TypeError("key is %s: want bytes, which is what keys of records are" % type(key).__name__)
    first, last = _milliseconds("since", since), _milliseconds("until", until)
    if first is not None and last is not None and last <= first:
        raise ValueError("until %s is not after since %s: nothing lies between" % (until, since))
    if start < 0:
        raise ValueError("start %d: offsets begin at 0" % start)
    if end is not None and end <= start:
        raise ValueError("end %d is not above start %d: nothing lies between" % (end, start))
    chosen = objects(archive, topic, partition=partition, client=client)
    reached: Dict[int, int] = {}
    gaps: List[_Gap] = []
    for i, o in enumerate(chosen):
        follows = i + 1 < len(chosen) and chosen[i + 1].partition == o.partition
        if follows and chosen[i + 1].start <= start and chosen[i + 1].start > o.start or end is not None and o.start >= end:
            continue
        with o.open() as file, _named(o.name):
            facts = summary(file)
            if facts["kind"] == "gap":
                _add_gap(gaps, o.partition, max(start, facts["start_offset"]), _least(end, facts["end_offset"]), facts["reason"])
                continue
            if _outside(facts, first, last):
                continue
            file.seek(0)
            for r in read(file):
                if r.offset is None:
                    if first is not None or last is not None or key is not None or start or end is not None:
                        raise ValueError("%s keeps values only: nothing can be selected in it" % o.name)
                elif not _selects(r, max(start, reached.get(o.partition, 0)), end, first, last, key):
                    continue
                yield replace(r, topic=facts["topic"], partition=o.partition)
        reached[o.partition] = max(reached.get(o.partition, 0), facts["end_offset"])
    if gaps:
        warnings.warn("%s: no records of %s" % (topic, _in_words(gaps)), stacklevel=2)


_Gap = Tuple[int, int, int, str]  # partition, offsets from and to, reason
_MOST_GAPS = 5  # that a warning names


def _least(end: Optional[int], other: int) -> int:
    return other if end is None else min(end, other)


def _add_gap(gaps: List[_Gap], partition: int, start: int, end: int, reason: str) -> None:
    """Adds a gap, to the last one if it goes on: one gap may be of many objects."""
    if start >= end:
        return
    if gaps and (gaps[-1][0], gaps[-1][2], gaps[-1][3]) == (partition, start, reason):
        start = gaps.pop()[1]
    gaps.append((partition, start, end, reason))


def _in_words(gaps: List[_Gap]) -> str:
    named = ["offsets [%d, %d) of partition %d, a recorded gap: %s" % (g[1], g[2], g[0], g[3]) for g in gaps[:_MOST_GAPS]]
    if len(gaps) > _MOST_GAPS:
        named.append("and %d more, which objects() lists" % (len(gaps) - _MOST_GAPS))
    return "; ".join(named)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Puts the object's name before what is wrong with it."""
    try:
        yield
    except FormatError as error:
        raise FormatError("%s: %s" % (name, error)) from error


def _outside(facts: Dict[str, Any], first: Optional[int], last: Optional[int]) -> bool:
    if first is None and last is None:
        return False
    before = first is not None and facts["last_timestamp"] < first
    return before or last is not None and facts["first_timestamp"] >= last


def _selects(r: Record, start: int, end: Optional[int], first: Optional[int], last: Optional[int], key: Optional[bytes]) -> bool:
    assert r.offset is not None
    if r.offset < start or end is not None and r.offset >= end or key is not None and r.key != key:
        return False
    if first is None and last is None:
        return True
    return r.timestamp is not None and (first is None or r.timestamp >= first) and (last is None or r.timestamp < last)
