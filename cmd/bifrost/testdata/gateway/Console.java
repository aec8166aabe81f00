import java.util.*;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.tools.consumer.ConsoleConsumer;

/**
 * Runs kafka-console-consumer several times in one JVM, for the tests of the gateway. Arguments: bootstrap servers,
 * topic, and steps: topic:NAME (from here on), PARTITION:OFFSET:RECORDS (an offset as the tool takes it).
 */
public class Console {
    /** What stands between the parts of a line: keys and values are printed as they are. */
    static final String FIELD = "\u0001field\u0001", HEADER = "\u0001header\u0001", LINE = "\u0001line\u0001\n";

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        for (String step : Arrays.asList(args).subList(2, args.length)) {
            String[] word = step.split(":");
            System.out.print("# " + step + LINE);
            if (word[0].equals("topic")) {
                topic = word[1];
                continue;
            }
            List<String> line = new ArrayList<>(List.of("--bootstrap-server", args[0], "--topic", topic,
                "--isolation-level", "read_committed", "--partition", word[0], "--offset", word[1], "--max-messages", word[2]));
            line.addAll(format());
            ConsoleConsumer.main(line.toArray(new String[0]));
        }
    }

    static List<String> format() {
        List<String> all = new ArrayList<>();
        String option = AppInfoParser.getVersion().startsWith("3.") ? "--property" : "--formatter-property";
        for (String property : List.of("print.partition=true", "print.offset=true", "print.timestamp=true", "print.headers=true",
            "print.key=true", "key.separator=" + FIELD, "headers.separator=" + HEADER, "line.separator=" + LINE, "null.literal=\u0001null\u0001")) {
            all.add(option);
            all.add(property);
        }
        return all;
    }
}
