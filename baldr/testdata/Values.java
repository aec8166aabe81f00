import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.zip.GZIPInputStream;

/** Prints the values of gzip files of plain Baldr in hex, one a line, after the way to read them: buffered=FILE or network=FILE. */
public class Values {
    public static void main(String[] arguments) throws IOException {
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out));
        for (String argument : arguments) {
            String[] parts = argument.split("=", 2);
            InputStream object = new ByteArrayInputStream(Files.readAllBytes(Path.of(parts[1])));
            print(out, parts[0], parts[0].equals("network") ? new NetworkStream(object) : object);
        }
        out.flush();
    }

    static void print(PrintStream out, String how, InputStream object) throws IOException {
        DataInputStream data = new DataInputStream(new GZIPInputStream(object));
        while (true) {
            long length;
            try {
                length = data.readLong();
            } catch (EOFException end) {
                return;
            }
            byte[] value = new byte[Math.toIntExact(length)];
            data.readFully(value);
            out.println(how + " " + HexFormat.of().formatHex(value));
        }
    }

    /** A stream as sockets and HTTP clients make them: it hands over a segment at a time, and does not know of the next. */
    static class NetworkStream extends FilterInputStream {
        private static final int SEGMENT = 1448;
        private int left = SEGMENT;

        NetworkStream(InputStream in) { super(in); }

        @Override public int available() { return 0; }

        @Override public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override public int read(byte[] b, int offset, int length) throws IOException {
            int n = in.read(b, offset, Math.min(length, left));
            left = left > n ? left - n : SEGMENT;
            return n;
        }
    }
}
