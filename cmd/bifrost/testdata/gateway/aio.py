"""Reads a topic with aiokafka, and prints what it is given, for the tests of the gateway.

Arguments and output are those of Read.java.
"""

import asyncio
import os
import ssl
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

import steps

read_by_groups = 0


def login():
    """KAFKA_CA is the file with the certificate to believe, if there is a login."""
    mechanism, user, password = steps.login()
    if not mechanism:
        return {}
    return {
        "security_protocol": "SASL_SSL", "sasl_mechanism": mechanism, "sasl_plain_username": user, "sasl_plain_password": password,
        "ssl_context": ssl.create_default_context(cafile=os.environ["KAFKA_CA"]),
    }


async def consumer(*topics, **more):
    c = AIOKafkaConsumer(*topics, **{
        "bootstrap_servers": steps.servers, "isolation_level": "read_committed", "enable_auto_commit": False,
        "auto_offset_reset": "earliest", "heartbeat_interval_ms": 500, "fetch_max_wait_ms": 200, **login(), **more,
    })
    await c.start()
    return c


def show(r):
    steps.show(r.partition, r.offset, r.timestamp, r.timestamp_type, r.key, r.value, r.headers)


async def read(mode, argument):
    c = await consumer()
    await c._client.set_topics([steps.topic])  # who assigns has to know which partitions there are
    all = [TopicPartition(steps.topic, p) for p in sorted(c.partitions_for_topic(steps.topic))]
    c.assign(all)
    ends = await c.end_offsets(all)
    if mode == "earliest":
        await c.seek_to_beginning(*all)
    elif mode == "offset":
        for p in all:
            c.seek(p, int(argument))
    else:
        for p, at in (await c.offsets_for_times({p: int(argument) for p in all})).items():
            c.seek(p, ends[p] if at is None else at.offset)
    began = time.time()
    while any([await c.position(p) < ends[p] for p in all]):
        if time.time() - began > 60:
            raise SystemExit(f"after a minute at {[await c.position(p) for p in all]}, want {ends}")
        try:
            for records in (await c.getmany(timeout_ms=200)).values():
                for r in records:
                    show(r)
        except TopicAuthorizationFailedError as e:
            print("error", type(e).__name__)
            c.seek(TopicPartition(steps.topic, 0), steps.resume)
    await c.stop()


async def subscribe():
    c = None
    try:
        c = AIOKafkaConsumer(steps.topic, bootstrap_servers=steps.servers, group_id="somebody", **login())
        await c.start()
        await c.getmany(timeout_ms=10000)
        print("no error")
    except GroupAuthorizationFailedError as e:
        print("error", type(e).__name__)
    await c.stop()


async def produce():
    p = AIOKafkaProducer(bootstrap_servers=steps.servers, **login())
    await p.start()
    try:
        await p.send_and_wait(steps.topic, b"x")
        print("no error")
    except KafkaError as e:
        print("error", type(e).__name__)
    await p.stop()


async def group(name, n, size):
    """The first member begins alone; the others join once it has read something."""
    global read_by_groups
    members, owners, before, began = [], set(), read_by_groups, time.time()
    while read_by_groups < n or len(owners) < size:
        if time.time() - began > 60:
            raise SystemExit(f"after a minute {read_by_groups} records")
        if len(members) < size and (not members or read_by_groups > before):
            members.append(await consumer(steps.topic, group_id=name))
        for c in members:
            some = [r for records in (await c.getmany(timeout_ms=100, max_records=20)).values() for r in records]
            if len(members) == size and c.assignment():
                owners.add(c)
            for r in some:
                show(r)
            read_by_groups += len(some)
            if some:
                await c.commit()
            if read_by_groups >= n and len(owners) == size:
                break
    for c in members:
        await c.stop()


async def main():
    for call in steps.calls(read, subscribe, produce, group):
        await call()


asyncio.run(main())
