import java.util.*;
import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.CloseableIterator;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;

/** Reads a topic with Flink's source for Kafka, bounded. Arguments and output are those of Spark.java. */
public class Flink {
    public static void main(String[] args) {
        int status = 0;
        try {
            for (String step : Arrays.asList(args).subList(2, args.length)) {
                System.out.println("# " + step);
                read(args[0], args[1], step.split(":"));
            }
        } catch (Throwable e) {
            e.printStackTrace();
            status = 1;
        }
        System.out.flush();
        Runtime.getRuntime().halt(status);
    }

    static void read(String servers, String topic, String[] step) throws Exception {
        Map<TopicPartition, Long> begins = new HashMap<>(), ends = new HashMap<>();
        String[] end = step[step.length - 1].split(",");
        for (int i = 0; i < end.length; i++) {
            ends.put(new TopicPartition(topic, i), Long.parseLong(end[i]));
            if (step[0].equals("offset")) begins.put(new TopicPartition(topic, i), Long.parseLong(step[1]));
        }
        OffsetsInitializer from;
        switch (step[0]) {
            case "earliest": from = OffsetsInitializer.earliest(); break;
            case "offset": from = OffsetsInitializer.offsets(begins); break;
            case "time": from = OffsetsInitializer.timestamp(Long.parseLong(step[1])); break;
            default: throw new IllegalArgumentException(step[0]);
        }
        KafkaSource<String> source = KafkaSource.<String>builder().setBootstrapServers(servers).setTopics(topic)
            .setStartingOffsets(from).setBounded(OffsetsInitializer.offsets(ends)).setDeserializer(new Lines())
            .setProperty("isolation.level", "read_committed").build();
        StreamExecutionEnvironment flink = StreamExecutionEnvironment.createLocalEnvironment(2);
        flink.setRuntimeMode(RuntimeExecutionMode.BATCH);
        try (CloseableIterator<String> lines = flink.fromSource(source, WatermarkStrategy.noWatermarks(), topic).executeAndCollect()) {
            lines.forEachRemaining(System.out::println);
        }
    }

    /** Lines makes of each record what Read.java prints. */
    public static class Lines implements KafkaRecordDeserializationSchema<String> {
        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> r, Collector<String> out) {
            StringBuilder s = new StringBuilder();
            s.append(r.partition()).append(' ').append(r.offset()).append(' ').append(r.timestamp()).append(' ').append(r.timestampType().id);
            s.append(' ').append(text(r.key())).append(' ').append(text(r.value()));
            for (Header h : r.headers()) {
                s.append(' ').append(text(h.key().getBytes(java.nio.charset.StandardCharsets.UTF_8))).append('=').append(text(h.value()));
            }
            out.collect(s.toString());
        }

        @Override
        public TypeInformation<String> getProducedType() {
            return Types.STRING;
        }
    }

    static String text(byte[] b) {
        return b == null ? "null" : "'" + HexFormat.of().formatHex(b);
    }
}
