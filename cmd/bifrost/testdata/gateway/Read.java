import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.*;

/**
 * Reads a topic with Kafka's own client, and prints what it is given, for the tests of the gateway.
 * Arguments: bootstrap servers, topic, and steps: topic:NAME (from here on), earliest, offset:N, time:MILLIS,
 * resume:N (on from offset N of a partition whose error was shown), subscribe, produce,
 * group:NAME:N:MEMBERS (so many members of a group read until N records were read by groups, and commit them).
 */
public class Read {
    static String servers, topic;
    static long resume = -1;
    static int read = 0;

    public static void main(String[] args) {
        try {
            steps(args);
        } catch (Throwable e) { // for which a program in one source file has no words of its own
            e.printStackTrace();
            System.exit(1);
        }
    }

    static void steps(String[] args) throws Exception {
        servers = args[0];
        topic = args[1];
        for (String step : Arrays.asList(args).subList(2, args.length)) {
            String[] word = step.split(":");
            System.out.println("# " + step);
            switch (word[0]) {
                case "topic": topic = word[1]; break;
                case "resume": resume = Long.parseLong(word[1]); break;
                case "subscribe": subscribe(); break;
                case "produce": produce(); break;
                case "group": group(word[1], Integer.parseInt(word[2]), Integer.parseInt(word[3])); break;
                default: read(word);
            }
        }
    }

    static Properties settings() {
        Properties p = new Properties();
        p.put("bootstrap.servers", servers);
        p.put("isolation.level", "read_committed");
        p.put("auto.offset.reset", "none");
        p.put("enable.auto.commit", "false");
        p.put("request.timeout.ms", "10000");
        logIn(p);
        return p;
    }

    /** KAFKA_LOGIN is MECHANISM:USER:PASSWORD, and KAFKA_CA the file with the certificate to believe, if there are any. */
    static void logIn(Properties p) {
        String login = System.getenv("KAFKA_LOGIN");
        if (login == null) return;
        String[] word = login.split(":");
        p.put("security.protocol", "SASL_SSL");
        p.put("sasl.mechanism", word[0]);
        p.put("sasl.jaas.config", "org.apache.kafka.common.security." + (word[0].equals("PLAIN") ? "plain.Plain" : "scram.Scram")
            + "LoginModule required username=\"" + word[1] + "\" password=\"" + word[2] + "\";");
        p.put("ssl.truststore.type", "PEM");
        p.put("ssl.truststore.location", System.getenv("KAFKA_CA"));
    }

    static KafkaConsumer<byte[], byte[]> consumer(Properties p) {
        return new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static void read(String[] from) {
        try (KafkaConsumer<byte[], byte[]> c = consumer(settings())) {
            List<TopicPartition> all = new ArrayList<>();
            for (PartitionInfo p : c.partitionsFor(topic)) all.add(new TopicPartition(topic, p.partition()));
            c.assign(all);
            Map<TopicPartition, Long> ends = c.endOffsets(all);
            if (from[0].equals("earliest")) {
                c.seekToBeginning(all);
            } else if (from[0].equals("offset")) {
                for (TopicPartition p : all) c.seek(p, Long.parseLong(from[1]));
            } else {
                Map<TopicPartition, Long> times = new HashMap<>();
                for (TopicPartition p : all) times.put(p, Long.parseLong(from[1]));
                c.offsetsForTimes(times).forEach((p, o) -> c.seek(p, o == null ? ends.get(p) : o.offset()));
            }
            while (all.stream().anyMatch(p -> c.position(p) < ends.get(p))) {
                try {
                    for (ConsumerRecord<byte[], byte[]> r : c.poll(Duration.ofMillis(200))) print(r);
                } catch (TopicAuthorizationException e) {
                    System.out.println("error " + e.getClass().getSimpleName());
                    c.seek(new TopicPartition(topic, 0), resume);
                }
            }
        }
    }

    static void print(ConsumerRecord<byte[], byte[]> r) {
        StringBuilder s = new StringBuilder();
        s.append(r.partition()).append(' ').append(r.offset()).append(' ').append(r.timestamp()).append(' ').append(r.timestampType().id);
        s.append(' ').append(text(r.key())).append(' ').append(text(r.value()));
        for (Header h : r.headers()) s.append(' ').append(text(h.key().getBytes(java.nio.charset.StandardCharsets.UTF_8))).append('=').append(text(h.value()));
        System.out.println(s);
    }

    static String text(byte[] b) {
        return b == null ? "null" : "'" + HexFormat.of().formatHex(b);
    }

    static void subscribe() {
        Properties p = settings();
        p.put("group.id", "somebody");
        try (KafkaConsumer<byte[], byte[]> c = consumer(p)) {
            c.subscribe(List.of(topic));
            for (int i = 0; i < 100; i++) c.poll(Duration.ofMillis(100));
            System.out.println("no error");
        } catch (KafkaException e) {
            System.out.println("error " + e.getClass().getSimpleName());
        }
    }

    /** The first member begins alone; the others join once it has read something. */
    static void group(String name, int n, int size) {
        Properties p = settings();
        p.put("group.id", name);
        p.put("auto.offset.reset", "earliest");
        p.put("max.poll.records", "20");
        p.put("heartbeat.interval.ms", "500");
        List<KafkaConsumer<byte[], byte[]>> members = new ArrayList<>();
        Set<KafkaConsumer<byte[], byte[]>> owners = new HashSet<>();
        int before = read;
        for (long began = System.currentTimeMillis(); read < n || owners.size() < size;) {
            if (System.currentTimeMillis() - began > 60000) throw new RuntimeException("after a minute " + read + " records");
            if (members.size() < size && (members.isEmpty() || read > before)) {
                members.add(consumer(p));
                members.get(members.size() - 1).subscribe(List.of(topic));
            }
            for (KafkaConsumer<byte[], byte[]> c : members) {
                ConsumerRecords<byte[], byte[]> records = c.poll(Duration.ofMillis(100));
                if (members.size() == size && !c.assignment().isEmpty()) owners.add(c);
                for (ConsumerRecord<byte[], byte[]> r : records) print(r);
                read += records.count();
                if (!records.isEmpty()) c.commitSync();
                if (read >= n && owners.size() == size) break;
            }
        }
        for (KafkaConsumer<byte[], byte[]> c : members) c.close();
    }

    static void produce() throws Exception {
        Properties p = settings();
        p.put("delivery.timeout.ms", "15000");
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.send(new ProducerRecord<>(topic, new byte[1])).get();
            System.out.println("no error");
        } catch (java.util.concurrent.ExecutionException e) {
            System.out.println("error " + e.getCause().getClass().getSimpleName());
        }
    }
}
