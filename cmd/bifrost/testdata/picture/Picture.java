import java.io.DataOutputStream;
import java.io.OutputStream;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Prints what a cluster is, by Apache Kafka's own clients, in lines that are the same for two clusters
 * that hold the same: topics with their own settings, a digest of the records of each partition in order
 * (timestamps, keys, values and headers, with null told from empty), ACLs, and for each position of a
 * group the digest of the record that it reads next, END where there is none. Offsets are not part of it.
 *
 * Usage: java -cp KAFKA_JARS Picture.java BROKERS
 */
public class Picture {
    static final Set<String> OURS = Set.of("bifrost-replay-positions");

    public static void main(String[] args) throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", args[0]);
        settings.put("isolation.level", "read_committed");
        settings.put("fetch.max.bytes", 64 << 20);
        settings.put("max.partition.fetch.bytes", 16 << 20);
        settings.put("max.poll.records", 20000);
        settings.put("fetch.max.wait.ms", 20);
        SortedSet<String> lines = new TreeSet<>();
        try (var admin = Admin.create(settings);
                var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            topics(admin, consumer, lines);
            for (AclBinding acl : admin.describeAcls(AclBindingFilter.ANY).values().get()) {
                lines.add("acl " + acl);
            }
            groups(admin, consumer, lines);
        }
        lines.forEach(System.out::println);
    }

    static void topics(Admin admin, KafkaConsumer<byte[], byte[]> consumer, SortedSet<String> lines) throws Exception {
        var names = new TreeSet<>(admin.listTopics().names().get());
        names.removeAll(OURS);
        var described = admin.describeTopics(names).allTopicNames().get();
        List<ConfigResource> resources = new ArrayList<>();
        names.forEach(n -> resources.add(new ConfigResource(ConfigResource.Type.TOPIC, n)));
        var configs = admin.describeConfigs(resources).all().get();
        for (String name : names) {
            var own = new TreeMap<String, String>();
            for (ConfigEntry e : configs.get(new ConfigResource(ConfigResource.Type.TOPIC, name)).entries()) {
                if (e.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) {
                    own.put(e.name(), e.value());
                }
            }
            var partitions = described.get(name).partitions();
            lines.add("topic " + name + " partitions=" + partitions.size() + " replicas=" + partitions.get(0).replicas().size());
            lines.add("settings " + name + " " + own);
            for (var p : partitions) {
                lines.add("records " + name + "/" + p.partition() + " " + records(consumer, new TopicPartition(name, p.partition())));
            }
        }
    }

    static String records(KafkaConsumer<byte[], byte[]> consumer, TopicPartition p) throws Exception {
        consumer.assign(List.of(p));
        consumer.seekToBeginning(List.of(p));
        long end = consumer.endOffsets(List.of(p)).get(p); // the last stable offset
        MessageDigest sum = MessageDigest.getInstance("SHA-256");
        long count = 0;
        try (var out = new DataOutputStream(new DigestOutputStream(OutputStream.nullOutputStream(), sum))) {
            while (consumer.position(p) < end) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(500))) {
                    count++;
                    write(out, r);
                }
            }
        }
        return count + " " + HexFormat.of().formatHex(sum.digest());
    }

    static void groups(Admin admin, KafkaConsumer<byte[], byte[]> consumer, SortedSet<String> lines) throws Exception {
        for (GroupListing group : admin.listGroups().all().get()) {
            String type = group.type().map(Object::toString).orElse("");
            if (type.equals("Share") || type.equals("Streams")) {
                continue;
            }
            var offsets = admin.listConsumerGroupOffsets(group.groupId()).partitionsToOffsetAndMetadata().get();
            for (var e : offsets.entrySet()) {
                lines.add("group " + group.groupId() + " " + e.getKey() + " " + next(consumer, e.getKey(), e.getValue().offset())
                        + " metadata=" + HexFormat.of().formatHex(e.getValue().metadata().getBytes("UTF-8")));
            }
        }
    }

    static final Map<String, String> NEXT = new HashMap<>();

    /** The record that a reader of committed records gets next from an offset on. */
    static String next(KafkaConsumer<byte[], byte[]> consumer, TopicPartition p, long offset) throws Exception {
        String known = NEXT.get(p + "@" + offset);
        if (known != null) {
            return known;
        }
        consumer.assign(List.of(p));
        long end = consumer.endOffsets(List.of(p)).get(p);
        consumer.seek(p, offset);
        String found = "END";
        outer:
        while (consumer.position(p) < end) {
            for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(500))) {
                MessageDigest sum = MessageDigest.getInstance("SHA-256");
                write(new DataOutputStream(new DigestOutputStream(OutputStream.nullOutputStream(), sum)), r);
                found = HexFormat.of().formatHex(sum.digest());
                break outer;
            }
        }
        // A restored group has no lag where it had read everything.
        if (found.equals("END") && offset < end) {
            found = "END with lag " + (end - offset);
        }
        NEXT.put(p + "@" + offset, found);
        return found;
    }

    static void write(DataOutputStream out, ConsumerRecord<byte[], byte[]> r) throws Exception {
        out.writeLong(r.timestamp());
        write(out, r.key());
        write(out, r.value());
        for (Header h : r.headers()) {
            write(out, h.key().getBytes("UTF-8"));
            write(out, h.value());
        }
        out.writeInt(-2);
    }

    static void write(DataOutputStream out, byte[] bytes) throws Exception {
        out.writeInt(bytes == null ? -1 : bytes.length);
        if (bytes != null) {
            out.write(bytes);
        }
    }
}
