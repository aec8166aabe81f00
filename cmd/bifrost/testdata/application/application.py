"""An application of confluent-kafka, which is librdkafka: as Application.java beside it, with the same arguments."""
import sys, time
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

brokers, group, protocol, source, out, most = sys.argv[1:6] + [int(sys.argv[6])]
consumer = Consumer({"bootstrap.servers": brokers, "group.id": group, "group.protocol": protocol, "isolation.level": "read_committed",
                     "enable.auto.commit": False, "auto.offset.reset": "earliest", "enable.partition.eof": True, "fetch.wait.max.ms": 20})
consumer.subscribe([source])
producer = None
if out != "-":
    producer = Producer({"bootstrap.servers": brokers, "transactional.id": group, "linger.ms": 0})
    producer.init_transactions()


def next_positions(records):
    """Where each partition goes on behind these records."""
    positions = {}
    for r in records:
        positions[r.partition()] = TopicPartition(source, r.partition(), r.offset() + 1)
    return list(positions.values())


def rewind(records):
    for r in reversed(records):
        consumer.seek(TopicPartition(source, r.partition(), r.offset()))
        ended.discard(r.partition())


done, transactions, ended = 0, 0, set()
while not (done >= most > 0) and not (most == 0 and consumer.assignment() and len(ended) == len(consumer.assignment())):
    records = []
    for r in consumer.consume(23, 0.1):
        if r.error() is None:
            records.append(r)
            ended.discard(r.partition())
        elif r.error().code() == KafkaError._PARTITION_EOF:
            ended.add(r.partition())
        else:
            sys.exit(str(r.error()))
    if not records:
        continue
    if producer is None:
        consumer.commit(offsets=next_positions(records), asynchronous=False)
        for r in records:
            print(r.value().decode(), flush=True)
    else:
        producer.begin_transaction()
        for r in records:
            producer.produce(out, r.value(), r.key())
        transactions += 1
        if transactions % 4 == 0:  # fails, and does it again
            producer.abort_transaction()
            rewind(records)
            continue
        producer.send_offsets_to_transaction(next_positions(records), consumer.consumer_group_metadata())
        producer.commit_transaction()
        print(done + len(records), flush=True)
        if most < 0:
            time.sleep(0.1)
    done += len(records)
consumer.close()
