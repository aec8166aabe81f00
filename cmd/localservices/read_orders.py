import sys

from kafka import KafkaConsumer

consumer = KafkaConsumer(
    sys.argv[2], bootstrap_servers=sys.argv[1], group_id="demo.backfill", auto_offset_reset="earliest",
    isolation_level="read_committed", enable_auto_commit=False, consumer_timeout_ms=60000)
for shown, record in enumerate(consumer, 1):
    print(f"  partition {record.partition}  offset {record.offset}  key {record.key.decode()}  value {record.value.decode().strip()}")
    if shown == 3:
        break
consumer.close(autocommit=False)
