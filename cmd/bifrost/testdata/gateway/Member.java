import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.*;

/**
 * A member of a group that says what happens to its partitions, for splice_real_test.go.
 * Arguments: bootstrap servers, topic, group, group protocol.
 */
public class Member {
    public static void main(String[] args) {
        Properties p = new Properties();
        p.put("bootstrap.servers", args[0]);
        p.put("group.id", args[2]);
        p.put("group.protocol", args[3]);
        try (KafkaConsumer<byte[], byte[]> c = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            c.subscribe(List.of(args[1]), new ConsumerRebalanceListener() {
                public void onPartitionsAssigned(Collection<TopicPartition> some) {
                    System.out.println("assigned " + some);
                }

                public void onPartitionsRevoked(Collection<TopicPartition> some) {
                    System.out.println("revoked " + some);
                }
            });
            while (true) c.poll(Duration.ofMillis(200));
        }
    }
}
