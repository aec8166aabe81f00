"""Serializes values with Confluent's own library, deserializes them again with it, and prints both.

Each line is JSON: {"key", "value"}, a record as a registry writes it to its topic, or {"name", "data", "want"}: what was
serialized, in base64, and what the library's deserializer makes of it, written as Bifrost writes it. Registered schemas
come from the library's registry in memory.
"""
import base64
import datetime
import decimal
import json
import math
import os
import subprocess
import sys
import tempfile
import uuid

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.json_format import MessageToDict

registry = SchemaRegistryClient.new_client({"url": "mock://"})
UTC = datetime.timezone.utc


def show(line):
    print(json.dumps(line))


def case(name, data, want):
    show({"name": name, "data": base64.b64encode(data).decode(), "want": want})


def digits(fraction, n):
    return "." + f"{fraction:06d}"[:n]


def written(v, kinds=None, at=""):
    """Writes what the library returned as JSON; kinds has the logical type of a path where the value alone does not say."""
    kind = (kinds or {}).get(at)
    if isinstance(v, dict):
        return {k: written(x, kinds, f"{at}.{k}") for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        return [written(x, kinds, at) for x in v]
    if isinstance(v, bytes):
        return base64.b64encode(v).decode()
    if isinstance(v, decimal.Decimal):
        return format(v, "f")
    if isinstance(v, uuid.UUID):
        return str(v)
    if isinstance(v, datetime.datetime):
        zone = "" if v.tzinfo is None else "Z"
        return v.strftime("%Y-%m-%dT%H:%M:%S") + digits(v.microsecond, 3 if kind == "ms" else 6) + zone
    if isinstance(v, datetime.date):
        return v.isoformat()
    if isinstance(v, datetime.time):
        return v.strftime("%H:%M:%S") + digits(v.microsecond, 3 if kind == "ms" else 6)
    if isinstance(v, float) and math.isnan(v):
        return "NaN"
    if isinstance(v, float) and math.isinf(v):
        return "Infinity" if v > 0 else "-Infinity"
    return v


def context(topic):
    return SerializationContext(topic, MessageField.VALUE)


def avro(topic, schema, value, references=(), kinds=None):
    s = Schema(json.dumps(schema), "AVRO", list(references))
    serialize = AvroSerializer(registry, s)
    deserialize = AvroDeserializer(registry)
    data = serialize(value, context(topic))
    case(f"avro {topic}", data, written(deserialize(data, context(topic)), kinds))


def reference(name, subject, schema, kind):
    text = schema if isinstance(schema, str) else json.dumps(schema)
    registry.register_schema(subject, Schema(text, kind))
    return SchemaReference(name, subject, registry.get_latest_version(subject).version)


# Primitives, also in their long form.
for value, kind in [("é\u2028\"\\\n\x7f", "string"), (2**63 - 1, "long"), (-1, "int"), (True, "boolean"), (0.1, "double"),
                    (1e300, "double"), (float("nan"), "double"), (float("-inf"), "double"), (b"\x00\xff", "bytes")]:
    avro(f"primitive-{kind}", {"type": kind}, value)

# Five versions of a schema, each with data of its own.
fields = [{"name": "id", "type": "long"}]
for n, (field, value) in enumerate([
    (None, None),
    ({"name": "note", "type": ["null", "string"], "default": None}, "n"),
    ({"name": "tags", "type": {"type": "array", "items": "string"}, "default": []}, ["a", "b"]),
    ({"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4}, "default": "\u0000"}, decimal.Decimal("-12345.6700")),
    ({"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["OLD", "NEW"]}, "default": "OLD"}, "NEW"),
]):
    if field:
        fields.append(field)
    record = {"id": n}
    record.update({f["name"]: v for f, v in zip(fields[1:], ["n", ["a", "b"], decimal.Decimal("-12345.6700"), "NEW"])})
    avro("evolves", {"type": "record", "name": "Order", "namespace": "shop", "fields": list(fields)}, record)

# Logical types.
avro("logical", {"type": "record", "name": "L", "fields": [
    {"name": "date", "type": {"type": "int", "logicalType": "date"}},
    {"name": "tms", "type": {"type": "int", "logicalType": "time-millis"}},
    {"name": "tus", "type": {"type": "long", "logicalType": "time-micros"}},
    {"name": "ms", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "us", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "lms", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
    {"name": "lus", "type": {"type": "long", "logicalType": "local-timestamp-micros"}},
    {"name": "uuid", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "dec", "type": {"type": "fixed", "name": "D", "size": 9, "logicalType": "decimal", "precision": 20, "scale": 3}},
    {"name": "own", "type": {"type": "long", "logicalType": "of-somebody"}},
]}, {
    "date": datetime.date(1969, 12, 31), "tms": datetime.time(23, 59, 59, 999000), "tus": datetime.time(1, 2, 3, 4),
    "ms": datetime.datetime(2026, 1, 31, 12, 0, 0, 5000, UTC), "us": datetime.datetime(1901, 1, 1, 0, 0, 0, 7, UTC),
    "lms": datetime.datetime(2026, 1, 31, 12, 0, 0, 5000), "lus": datetime.datetime(2026, 1, 31, 12, 0, 0, 6),
    "uuid": uuid.UUID(int=7), "dec": decimal.Decimal("-0.001"), "own": 5,
}, kinds={".tms": "ms", ".ms": "ms", ".lms": "ms"})

# Unions, maps, records in each other, a record in itself, names in other namespaces.
node = {"type": "record", "name": "Node", "namespace": "a.b", "fields": [
    {"name": "any", "type": ["null", "boolean", "long", "double", "string", "bytes", {"type": "map", "values": "Node"},
                             {"type": "array", "items": ["null", "Node"]}, {"type": "record", "name": "c.Leaf", "fields": [{"name": "x", "type": "float"}]},
                             {"type": "fixed", "name": "F", "size": 2}, {"type": "enum", "name": "E", "symbols": ["P", "Q"]}]},
    {"name": "leaf", "type": ["c.Leaf", "null"]},
    {"name": "next", "type": ["null", "Node"], "default": None},
]}
for value in [None, True, 7, 1.5, "text", b"\x01", {"k": {"any": None, "leaf": None, "next": None}}, [None, {"any": "x", "leaf": {"x": 0.5}, "next": None}],
              ("c.Leaf", {"x": 2.5}), ("a.b.F", b"\x01\x02"), ("a.b.E", "Q")]:
    inner = None if isinstance(value, tuple) else value
    avro("union", node, {"any": value, "leaf": {"x": 0.25}, "next": {"any": inner, "leaf": None, "next": None}})

# References, one behind the other.
inner = reference("ref.Inner", "inner", {"type": "record", "name": "Inner", "namespace": "ref", "fields": [{"name": "n", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}, "AVRO")
middle = {"type": "record", "name": "Middle", "namespace": "ref", "fields": [{"name": "inner", "type": "ref.Inner"}, {"name": "more", "type": {"type": "array", "items": "ref.Inner"}}]}
registry.register_schema("middle", Schema(json.dumps(middle), "AVRO", [inner]))
when = datetime.datetime(2026, 1, 1, tzinfo=UTC)
avro("refers", {"type": "record", "name": "Outer", "namespace": "ref", "fields": [{"name": "middle", "type": "ref.Middle"}]},
     {"middle": {"inner": {"n": when}, "more": [{"n": when}]}}, [SchemaReference("ref.Middle", "middle", 1)], kinds={".middle.inner.n": "ms", ".middle.more.n": "ms"})

# JSON.
address = reference("address.json", "address", {"type": "object", "properties": {"street": {"type": "string"}}, "required": ["street"]}, "JSON")
person = Schema(json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "title": "Person", "type": "object", "properties": {
    "name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}, "address": {"$ref": "address.json"}}}), "JSON", [address])
value = {"name": "Zoë", "age": 2**53 + 1, "address": {"street": "A & <B>"}, "more": [1.25, None, {"x": []}]}
data = JSONSerializer(person, registry)(value, context("person"))
case("json person", data, JSONDeserializer(person, schema_registry_client=registry)(data, context("person")))

# Protobuf: a message in a message behind a map, an import, what proto3 leaves out, well-known types.
with tempfile.TemporaryDirectory() as work:
    with open(os.path.join(work, "money.proto"), "w") as f:
        f.write('syntax = "proto3"; package money; message Money { string currency = 1; int64 units = 2; }')
    with open(os.path.join(work, "shop.proto"), "w") as f:
        f.write("""syntax = "proto3"; package shop;
import "money.proto"; import "google/protobuf/timestamp.proto";
message First { int32 n = 1; }
message Order {
  enum State { NEW = 0; PAID = 1; }
  map<string, money.Money> prices = 1;
  message Line { string sku = 1; message Deep { bytes b = 1; float f = 2; } Deep deep = 2; repeated sint64 s = 3; }
  repeated Line lines = 2;
  State state = 3; google.protobuf.Timestamp at = 4; uint64 big = 5;
  oneof way { string ship = 6; bool fetch = 7; }
  optional int32 maybe = 8;
}
""")
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{work}", f"--python_out={work}", "money.proto", "shop.proto"], check=True, cwd=work)
    sys.path.insert(0, work)
    import money_pb2
    import shop_pb2

    def proto(name, message):
        data = ProtobufSerializer(type(message), registry)(message, context(name))
        back = ProtobufDeserializer(type(message), schema_registry_client=registry)(data, context(name))
        case(f"protobuf {name}", data, MessageToDict(back, preserving_proto_field_name=True))

    order = shop_pb2.Order(state=1, big=2**64 - 1, fetch=False, maybe=0)
    order.prices["a"].CopyFrom(money_pb2.Money(currency="EUR", units=-5))
    order.at.FromDatetime(datetime.datetime(2026, 1, 31, 12, 0, 0, 5000))
    order.lines.add(sku="x", s=[-1, 2]).deep.CopyFrom(shop_pb2.Order.Line.Deep(b=b"\xff", f=0.5))
    proto("first", shop_pb2.First(n=3))
    proto("empty", shop_pb2.First())
    proto("order", order)
    proto("line", order.lines[0])
    proto("deep", order.lines[0].deep)

# What the registry has, as it would write it.
for subject in registry.get_subjects():
    for version in registry.get_versions(subject):
        found = registry.get_version(subject, version)
        value = {"subject": subject, "version": version, "id": found.schema_id, "schema": found.schema.schema_str, "deleted": False}
        if found.schema.schema_type != "AVRO":
            value["schemaType"] = found.schema.schema_type
        if found.schema.references:
            value["references"] = [{"name": r.name, "subject": r.subject, "version": r.version} for r in found.schema.references]
        show({"key": json.dumps({"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1}), "value": json.dumps(value)})
