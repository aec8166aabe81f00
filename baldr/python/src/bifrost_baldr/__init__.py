"""Reads the objects in which Bifrost archives Apache Kafka.

docs/format.md of Bifrost specifies them. The functions here are the whole interface.
"""

from ._archive import ObjectFile, objects, read_topic
from ._format import FormatError, Record, read, summary
from ._tables import to_arrow, to_pandas

__all__ = [
    "FormatError",
    "ObjectFile",
    "Record",
    "objects",
    "read",
    "read_topic",
    "summary",
    "to_arrow",
    "to_pandas",
]
