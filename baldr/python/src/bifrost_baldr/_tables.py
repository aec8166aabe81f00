"""Records as a data frame of pandas or as a table of Arrow, when these are installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterable, List

from ._format import Record

if TYPE_CHECKING:
    import pandas
    import pyarrow

_COLUMNS = ("topic", "partition", "offset", "timestamp", "key", "value", "headers")


def _columns(records: Iterable[Record]) -> Dict[str, List[Any]]:
    columns: Dict[str, List[Any]] = {name: [] for name in _COLUMNS}
    for r in records:
        for name in _COLUMNS:
            columns[name].append(getattr(r, name))
    return columns


def to_pandas(records: Iterable[Record]) -> "pandas.DataFrame":
    """A data frame with a row for each record; timestamp is a time in UTC, NaT where there is none that pandas can say."""
    try:
        import pandas
    except ImportError:
        raise ImportError("to_pandas needs pandas: pip install 'bifrost-baldr[pandas]'") from None
    columns = _columns(records)
    frame = pandas.DataFrame({name: pandas.Series(values, dtype="object") for name, values in columns.items()})
    for name in ("partition", "offset"):
        frame[name] = frame[name].astype("Int64")
    frame["timestamp"] = pandas.to_datetime(frame["timestamp"].astype("Int64"), unit="ms", utc=True, errors="coerce")
    return frame


def to_arrow(records: Iterable[Record]) -> "pyarrow.Table":
    """A table with a row for each record; headers are a list of structs of key and value."""
    try:
        import pyarrow as pa
    except ImportError:
        raise ImportError("to_arrow needs pyarrow: pip install 'bifrost-baldr[arrow]'") from None
    schema = pa.schema(
        [
            ("topic", pa.string()),
            ("partition", pa.int32()),
            ("offset", pa.int64()),
            ("timestamp", pa.timestamp("ms", tz="UTC")),
            ("key", pa.binary()),
            ("value", pa.binary()),
            ("headers", pa.list_(pa.struct([("key", pa.binary()), ("value", pa.binary())]))),
        ]
    )
    columns = _columns(records)
    columns["headers"] = [[{"key": k, "value": v} for k, v in headers] for headers in columns["headers"]]
    return pa.table({name: pa.array(columns[name], schema.field(name).type) for name in _COLUMNS}, schema=schema)
