"""Reads a topic with kafka-python, and prints what it is given, for the tests of the gateway.

Arguments and output are those of Read.java.
"""

import os
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

import steps

read_by_groups = 0


def login():
    """KAFKA_CA is the file with the certificate to believe, if there is a login."""
    mechanism, user, password = steps.login()
    return {
        "security_protocol": "SASL_SSL", "sasl_mechanism": mechanism, "sasl_plain_username": user, "sasl_plain_password": password,
        "ssl_cafile": os.environ["KAFKA_CA"],
    } if mechanism else {}


def consumer(**more):
    return KafkaConsumer(**{
        "bootstrap_servers": steps.servers, "isolation_level": "read_committed", "enable_auto_commit": False,
        "auto_offset_reset": "earliest", "group_id": None, "heartbeat_interval_ms": 500, **login(), **more,
    })


def show(r):
    steps.show(r.partition, r.offset, r.timestamp, r.timestamp_type, r.key, r.value, r.headers)


def read(mode, argument):
    c = consumer()
    all = [TopicPartition(steps.topic, p) for p in c.partitions_for_topic(steps.topic)]
    c.assign(all)
    ends = c.end_offsets(all)
    if mode == "earliest":
        c.seek_to_beginning(*all)
    elif mode == "offset":
        for p in all:
            c.seek(p, int(argument))
    else:
        for p, at in c.offsets_for_times({p: int(argument) for p in all}).items():
            c.seek(p, ends[p] if at is None else at.offset)
    began = time.time()
    while any(c.position(p) < ends[p] for p in all):
        if time.time() - began > 60:
            raise SystemExit(f"after a minute at {[c.position(p) for p in all]}, want {ends}")
        try:
            for records in c.poll(timeout_ms=200).values():
                for r in records:
                    show(r)
        except TopicAuthorizationFailedError as e:
            print("error", type(e).__name__)
            c.seek(TopicPartition(steps.topic, 0), steps.resume)
    c.close()


def subscribe():
    c = consumer(group_id="somebody")
    c.subscribe([steps.topic])
    try:
        c.poll(timeout_ms=30000)
        print("no error")
    except GroupAuthorizationFailedError as e:
        print("error", type(e).__name__)
    c.close(autocommit=False)


def produce():
    p = KafkaProducer(bootstrap_servers=steps.servers, **login())
    try:
        p.send(steps.topic, b"x").get(timeout=20)
        print("no error")
    except KafkaError as e:
        print("error", type(e).__name__)


def group(name, n, size):
    """The first member begins alone; the others join once it has read something."""
    global read_by_groups
    members, owners, before, began = [], set(), read_by_groups, time.time()
    while read_by_groups < n or len(owners) < size:
        if time.time() - began > 60:
            raise SystemExit(f"after a minute {read_by_groups} records")
        if len(members) < size and (not members or read_by_groups > before):
            members.append(consumer(group_id=name))
            members[-1].subscribe([steps.topic])
            # A member that joins before it knows the partitions joins again. If poll ends meanwhile, kafka-python
            # drops what it is given, and waits forever, at Kafka as at the gateway: need_rejoin is false by then.
            members[-1].topics()
        for c in members:
            some = [r for records in c.poll(timeout_ms=100, max_records=20).values() for r in records]
            if len(members) == size and c.assignment():
                owners.add(c)
            for r in some:
                show(r)
            read_by_groups += len(some)
            if some:
                c.commit()
            if read_by_groups >= n and len(owners) == size:
                break
    for c in members:
        c.close(autocommit=False)


for call in steps.calls(read, subscribe, produce, group):
    call()
