import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Prints what a read_committed consumer sees of topics, by Apache Kafka's own client: a line for each
 * partition with its number, the count of records, and a digest of all of them in order: timestamps,
 * keys, values and headers, with null told from empty. Offsets are not part of it.
 *
 * Usage: java -cp KAFKA_JARS Digest.java BROKERS TOPIC
 */
public class Digest {
    public static void main(String[] args) throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", args[0]);
        settings.put("isolation.level", "read_committed");
        settings.put("fetch.max.bytes", 64 << 20);
        settings.put("max.partition.fetch.bytes", 16 << 20);
        settings.put("max.poll.records", 20000);
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = new ArrayList<>();
            consumer.partitionsFor(args[1]).forEach(p -> partitions.add(new TopicPartition(args[1], p.partition())));
            partitions.sort(Comparator.comparingInt(TopicPartition::partition));
            for (TopicPartition p : partitions) {
                digest(consumer, p);
            }
        }
    }

    static void digest(KafkaConsumer<byte[], byte[]> consumer, TopicPartition p) throws Exception {
        consumer.assign(List.of(p));
        consumer.seekToBeginning(List.of(p));
        long end = consumer.endOffsets(List.of(p)).get(p); // the last stable offset
        MessageDigest sum = MessageDigest.getInstance("SHA-256");
        long count = 0;
        try (var out = new DataOutputStream(new DigestOutputStream(OutputStream.nullOutputStream(), sum))) {
            while (consumer.position(p) < end) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(500))) {
                    if (r.offset() >= end) {
                        break;
                    }
                    count++;
                    out.writeLong(r.timestamp());
                    write(out, r.key());
                    write(out, r.value());
                    for (Header h : r.headers()) {
                        write(out, h.key().getBytes("UTF-8"));
                        write(out, h.value());
                    }
                    out.writeInt(-2);
                }
            }
        }
        System.out.printf("%d %d %s%n", p.partition(), count, HexFormat.of().formatHex(sum.digest()));
    }

    static void write(DataOutputStream out, byte[] bytes) throws IOException {
        out.writeInt(bytes == null ? -1 : bytes.length);
        if (bytes != null) {
            out.write(bytes);
        }
    }
}
