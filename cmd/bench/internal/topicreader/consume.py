"""Reads topics with confluent-kafka, for the benchmarks of the gateway.

Arguments are settings beside its defaults, NAME=VALUE. A line of standard input is SERVERS TOPIC CONSUMERS; here there is one consumer. The answer is a line of JSON.
"""

import json
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition


def read(servers, topic):
    """Returns records and bytes of a topic, from its start to the end that it has now."""
    settings = {"bootstrap.servers": servers, "group.id": "bench", "enable.auto.commit": False}
    consumer = Consumer(settings | dict(setting.split("=", 1) for setting in sys.argv[1:]))
    numbers = consumer.list_topics(topic).topics[topic].partitions
    left = sum(consumer.get_watermark_offsets(TopicPartition(topic, n))[1] for n in numbers)
    consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in numbers])
    records = size = 0
    while left > 0:
        for message in consumer.consume(10_000, 0.1):
            if message.error():
                raise RuntimeError(message.error())
            records += 1
            size += len(message)
            if message.key() is not None:
                size += len(message.key())
            left -= 1
    consumer.close()
    return records, size


for line in sys.stdin:
    asked_servers, asked_topic, consumers = line.split()
    if consumers != "1":
        raise ValueError("one consumer only")
    began, processor = time.monotonic(), time.process_time()
    records, size = read(asked_servers, asked_topic)
    print(json.dumps({
        "records": records,
        "bytes": size,
        "seconds": time.monotonic() - began,
        "processor": time.process_time() - processor,
    }), flush=True)
