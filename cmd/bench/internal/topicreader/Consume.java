import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads topics with Kafka's own client at its defaults, for the benchmarks of the gateway. A line of standard
 * input is SERVERS TOPIC CONSUMERS; here there is one consumer. The answer is a line of JSON.
 */
public class Consume {
    static long records, bytes;

    public static void main(String[] args) {
        OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        Scanner in = new Scanner(System.in);
        while (in.hasNext()) {
            String servers = in.next(), topic = in.next();
            if (in.nextInt() != 1) throw new IllegalArgumentException("one consumer only");
            records = bytes = 0;
            long began = System.nanoTime(), processor = system.getProcessCpuTime();
            read(servers, topic);
            System.out.printf(Locale.ROOT, "{\"records\":%d,\"bytes\":%d,\"seconds\":%f,\"processor\":%f}%n", records,
                bytes, (System.nanoTime() - began) / 1e9, (system.getProcessCpuTime() - processor) / 1e9);
        }
    }

    static void read(String servers, String topic) {
        Properties p = new Properties();
        p.put("bootstrap.servers", servers);
        p.put("enable.auto.commit", "false");
        try (KafkaConsumer<byte[], byte[]> c =
                 new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> all = new ArrayList<>();
            for (PartitionInfo i : c.partitionsFor(topic)) all.add(new TopicPartition(topic, i.partition()));
            c.assign(all);
            c.seekToBeginning(all);
            long left = 0;
            for (long end : c.endOffsets(all).values()) left += end;
            while (left > 0) {
                for (ConsumerRecord<byte[], byte[]> r : c.poll(Duration.ofSeconds(1))) {
                    records++;
                    bytes += r.key().length + r.value().length;
                    left--;
                }
            }
        }
    }
}
