"""Reads a topic with librdkafka, and prints what it is given, for the tests of the gateway.

Arguments and output are those of Read.java.
"""

import os
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

import steps

read_by_groups = 0


def login():
    """KAFKA_CA is the file with the certificate to believe, if there is a login."""
    mechanism, user, password = steps.login()
    return {
        "security.protocol": "SASL_SSL", "sasl.mechanism": mechanism, "sasl.username": user, "sasl.password": password,
        "ssl.ca.location": os.environ["KAFKA_CA"],
    } if mechanism else {}


def consumer(**more):
    return Consumer({
        "bootstrap.servers": steps.servers, "group.id": "somebody", "enable.auto.commit": False,
        "auto.offset.reset": "error", "enable.partition.eof": True, "isolation.level": "read_committed", **login(), **more,
    })


def show(m):
    kind, at = m.timestamp()
    steps.show(m.partition(), m.offset(), -1 if kind == 0 else at, 1 if kind == 2 else 0, m.key(), m.value(), m.headers())


def read(mode, argument):
    c = consumer()
    numbers = c.list_topics(steps.topic, timeout=20).topics[steps.topic].partitions
    if mode == "time":
        at = c.offsets_for_times([TopicPartition(steps.topic, p, int(argument)) for p in numbers], timeout=20)
    else:
        at = [TopicPartition(steps.topic, p, OFFSET_BEGINNING if mode == "earliest" else int(argument)) for p in numbers]
    c.assign(at)
    left = set(numbers)
    while left:
        m = c.poll(20)
        if m is None:
            raise SystemExit(f"nothing for 20 s, left {left}")
        if m.error() is None:
            show(m)
        elif m.error().code() == KafkaError._PARTITION_EOF:
            left.discard(m.partition())
        else:
            print("error", m.error().name())
            c.seek(TopicPartition(steps.topic, m.partition(), steps.resume))
    c.close()


def subscribe():
    c = consumer()
    c.subscribe([steps.topic])
    m = c.poll(30)
    print("no error" if m is None or m.error() is None else "error " + m.error().name())
    c.close()


def produce():
    told = []
    p = Producer({"bootstrap.servers": steps.servers, "message.timeout.ms": 15000, **login()})
    p.produce(steps.topic, b"x", on_delivery=lambda err, _: told.append(err))
    p.flush(20)
    print("error " + told[0].name() if told and told[0] else "no error")


def group(name, n, size):
    """The first member begins alone; the others join once it has read something."""
    global read_by_groups
    members, owners, before, began = [], set(), read_by_groups, time.time()
    while read_by_groups < n or len(owners) < size:
        if time.time() - began > 60:
            raise SystemExit(f"after a minute {read_by_groups} records")
        if len(members) < size and (not members or read_by_groups > before):
            members.append(consumer(**{
                "group.id": name, "auto.offset.reset": "earliest", "heartbeat.interval.ms": 500, "enable.partition.eof": False,
                "enable.auto.offset.store": True,
            }))
            members[-1].subscribe([steps.topic])
        for c in members:
            messages = c.consume(20, 0.1)
            if len(members) == size and c.assignment():
                owners.add(c)
            for m in messages:
                if m.error():
                    raise SystemExit(f"error {m.error()}")
                show(m)
            read_by_groups += len(messages)
            if messages:
                c.commit(asynchronous=False)
            if read_by_groups >= n and len(owners) == size:
                break
    for c in members:
        c.close()


for call in steps.calls(read, subscribe, produce, group):
    call()
