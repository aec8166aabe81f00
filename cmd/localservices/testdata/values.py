"""Reads downloaded objects as any old Baldr reader would, with nothing but
Python's standard library, and prints what it found.

Usage: values.py DIRECTORY, which holds <topic>/partition=<p>/<start>.baldr.gz.

An object is gzip, of as many members as it likes, around frames: eight bytes of
length, most significant first, and that many bytes of value. The output is JSON:
for each partition, by "<topic>/<p>", the number of values and a SHA-256 over the
SHA-256 of each value, in the order of the objects' first offsets.
"""

import gzip
import hashlib
import json
import pathlib
import struct
import sys


def values(path):
    with gzip.open(path, "rb") as stream:
        while header := stream.read(8):
            if len(header) < 8:
                raise ValueError(f"{path}: ends inside a length")
            (length,) = struct.unpack(">Q", header)
            value = stream.read(length)
            if len(value) < length:
                raise ValueError(f"{path}: ends inside a value")
            yield value


def start(path):
    return int(path.name.removesuffix(".baldr.gz"))


def main(directory):
    found = {}
    for folder in sorted(directory.glob("*/partition=*")):
        records, digest = 0, hashlib.sha256()
        for path in sorted(folder.iterdir(), key=start):
            for value in values(path):
                records += 1
                digest.update(hashlib.sha256(value).digest())
        partition = folder.name.removeprefix("partition=")
        found[f"{folder.parent.name}/{partition}"] = {"records": records, "sha256": digest.hexdigest()}
    json.dump(found, sys.stdout)


main(pathlib.Path(sys.argv[1]))
