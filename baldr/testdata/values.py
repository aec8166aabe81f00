"""Prints the values of plain Baldr in hex, one a line: of gzip files, or of standard input when there are none."""
import gzip, struct, sys


def values(stream):
    while header := stream.read(8):
        size, = struct.unpack(">Q", header)
        value = stream.read(size)
        assert len(value) == size, "cut inside a frame"
        yield value


for stream in [gzip.open(name) for name in sys.argv[1:]] or [sys.stdin.buffer]:
    for value in values(stream):
        print(value.hex())
