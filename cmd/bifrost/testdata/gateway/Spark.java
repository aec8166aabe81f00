import java.sql.Timestamp;
import java.util.*;
import org.apache.spark.sql.*;

/**
 * Reads a topic with Spark's source for Kafka in batch, and prints what it is given as Read.java does.
 * Arguments: bootstrap servers, topic, and steps: earliest:ENDS, offset:N:ENDS, time:MILLIS:ENDS. ENDS are the offsets
 * at which the partitions end, with commas between.
 */
public class Spark {
    public static void main(String[] args) {
        int status = 0;
        try (SparkSession spark = SparkSession.builder().master("local[2]").config("spark.ui.enabled", "false").getOrCreate()) {
            for (String step : Arrays.asList(args).subList(2, args.length)) {
                System.out.println("# " + step);
                read(spark, args[0], args[1], step.split(":"));
            }
        } catch (Throwable e) { // for which a program in one source file has no words of its own
            e.printStackTrace();
            status = 1;
        }
        System.out.flush();
        Runtime.getRuntime().halt(status);
    }

    static void read(SparkSession spark, String servers, String topic, String[] step) {
        String[] ends = step[step.length - 1].split(",");
        DataFrameReader reader = spark.read().format("kafka").option("kafka.bootstrap.servers", servers)
            .option("subscribe", topic).option("kafka.isolation.level", "read_committed").option("includeHeaders", "true")
            .option("endingOffsets", json(topic, ends));
        String[] begins = new String[ends.length];
        Arrays.fill(begins, step[1]);
        switch (step[0]) {
            case "earliest": reader.option("startingOffsets", "earliest"); break;
            case "offset": reader.option("startingOffsets", json(topic, begins)); break;
            case "time": reader.option("startingTimestamp", step[1]); break;
            default: throw new IllegalArgumentException(step[0]);
        }
        for (Row r : reader.load().collectAsList()) print(r);
    }

    static String json(String topic, String[] offsets) {
        StringJoiner all = new StringJoiner(",", "{\"" + topic + "\":{", "}}");
        for (int i = 0; i < offsets.length; i++) all.add("\"" + i + "\":" + offsets[i]);
        return all.toString();
    }

    static void print(Row r) {
        StringBuilder s = new StringBuilder();
        s.append(r.<Integer>getAs("partition")).append(' ').append(r.<Long>getAs("offset")).append(' ');
        s.append(r.<Timestamp>getAs("timestamp").getTime()).append(' ').append(r.<Integer>getAs("timestampType"));
        s.append(' ').append(text(r.getAs("key"))).append(' ').append(text(r.getAs("value")));
        if (!r.isNullAt(r.fieldIndex("headers"))) {
            for (Row h : r.<Row>getList(r.fieldIndex("headers"))) {
                s.append(' ').append(text(h.getString(0).getBytes(java.nio.charset.StandardCharsets.UTF_8)));
                s.append('=').append(text(h.getAs(1)));
            }
        }
        System.out.println(s);
    }

    static String text(byte[] b) {
        return b == null ? "null" : "'" + HexFormat.of().formatHex(b);
    }
}
