import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

/**
 * An application of Apache Kafka's own clients, which reads committed records of a topic in a group, and
 * prints the value of each record once its position is committed; or copies them to another topic in
 * transactions that carry the positions.
 *
 * Usage: java -cp KAFKA_JARS Application.java BROKERS GROUP PROTOCOL IN OUT MOST
 * PROTOCOL is classic or consumer; OUT is - to read only. It ends after MOST records; with 0 at the end of the
 * topic; with -1 never, and then it takes its time.
 */
public class Application {
    static int most;
    static final int TRANSACTION = 23; // records, so that they end within batches and across them

    public static void main(String[] args) throws Exception {
        String group = args[1], in = args[3], out = args[4];
        most = Integer.parseInt(args[5]);
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", args[0], "group.id", group, "group.protocol", args[2],
                "isolation.level", "read_committed", "enable.auto.commit", false, "max.poll.records", TRANSACTION,
                "auto.offset.reset", "earliest", "fetch.max.wait.ms", 20));
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(in));
            if (out.equals("-")) {
                read(consumer);
                return;
            }
            var producing = Map.<String, Object>of("bootstrap.servers", args[0], "transactional.id", group, "linger.ms", 0);
            try (var producer = new KafkaProducer<>(producing, new StringSerializer(), new StringSerializer())) {
                producer.initTransactions();
                copy(consumer, producer, out);
            }
        }
    }

    static void read(KafkaConsumer<String, String> consumer) {
        for (int done = 0; !ended(consumer, done);) {
            var records = consumer.poll(Duration.ofMillis(100));
            consumer.commitSync();
            for (var r : records) {
                System.out.println(r.value());
            }
            done += records.count();
        }
    }

    static void copy(KafkaConsumer<String, String> consumer, KafkaProducer<String, String> producer, String out) throws Exception {
        int transactions = 0;
        for (int done = 0; !ended(consumer, done);) {
            var records = consumer.poll(Duration.ofMillis(100));
            if (records.isEmpty()) {
                continue;
            }
            producer.beginTransaction();
            for (var r : records) {
                producer.send(new ProducerRecord<>(out, r.key(), r.value()));
            }
            if (++transactions % 4 == 0) { // fails, and does it again
                producer.abortTransaction();
                for (var p : records.partitions()) {
                    consumer.seek(p, records.records(p).get(0).offset());
                }
                continue;
            }
            producer.sendOffsetsToTransaction(records.nextOffsets(), consumer.groupMetadata());
            producer.commitTransaction();
            done += records.count();
            System.out.println(done);
            if (most < 0) {
                Thread.sleep(100);
            }
        }
    }

    static boolean ended(KafkaConsumer<String, String> consumer, int done) {
        Set<TopicPartition> assigned = consumer.assignment();
        if (most != 0 || assigned.isEmpty()) {
            return most > 0 && done >= most;
        }
        return consumer.endOffsets(assigned).entrySet().stream().allMatch(e -> consumer.position(e.getKey()) >= e.getValue());
    }
}
