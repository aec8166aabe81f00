import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Produces records with Kafka's own client, codec by codec: it frames them in its own ways. */
public class Produce {
    public static void main(String[] args) {
        String brokers = args[0], topic = args[1];
        int records = Integer.parseInt(args[2]);
        for (String codec : List.of(args).subList(3, args.length)) {
            Map<String, Object> config = Map.of("bootstrap.servers", brokers, "compression.type", codec, "linger.ms", 50, "batch.size", 500_000);
            try (var producer = new KafkaProducer<byte[], byte[]>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
                for (int i = 0; i < records; i++) {
                    byte[] key = ByteBuffer.allocate(4).putInt(i).array();
                    byte[] value = ("record " + i + " ").repeat(20 + i % 50).getBytes();
                    producer.send(new ProducerRecord<>(topic, key, value), (sent, failure) -> {
                        if (failure != null) {
                            failure.printStackTrace();
                            System.exit(1);
                        }
                    });
                }
            }
        }
    }
}
