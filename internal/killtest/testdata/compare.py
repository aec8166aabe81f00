#!/usr/bin/env python3
"""Compares an archive with the log, record by record, with nothing but the standard library.

    compare.py READER_DIR TRUTH.jsonl OBJECTS_DIR TOPIC/PARTITION=LOG_START,LOG_START,... ...

TRUTH has a line for each record that a read_committed consumer saw. OBJECTS_DIR has the bucket's
objects, each under its key with '|' for '/'. LOG_STARTs are the offsets at which the log was made to
begin during the test: every offset of a gap is below one of them. It exits with 1 and says what is wrong.
"""
import collections, json, os, sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import read_baldr

FIELDS = ("offset", "timestamp", "key", "value", "headers")
wrong = []


def complain(text):
    wrong.append(text)


def load_truth(path):
    truth = collections.defaultdict(dict)
    with open(path) as lines:
        for line in lines:
            record = json.loads(line)
            truth[record["topic"], record["partition"]][record["offset"]] = [record[field] for field in FIELDS]
    return truth


def load_objects(folder):
    objects = collections.defaultdict(list)
    for name in sorted(os.listdir(folder)):
        key = name.replace("|", "/")
        if not key.endswith(".baldr.gz"):
            continue
        with open(os.path.join(folder, name), "rb") as file:
            records, summary = read_baldr.read(file.read())
        _, topic, partition, start = key[:-len(".baldr.gz")].split("/")
        place = topic, int(partition.split("=")[1])
        if (summary["topic"], summary["partition"], summary["start_offset"]) != (*place, int(start)):
            complain(f"{key}: the summary says {summary}")
        objects[place].append((key, summary, records))
    return objects


def compare(place, truth, objects, log_starts):
    at, gaps, found = 0, 0, 0
    for key, summary, records in objects:
        if summary["start_offset"] != at:
            complain(f"{key}: begins at {summary['start_offset']}, the one before ends at {at}")
        at = summary["end_offset"]
        expected = [truth[offset] for offset in range(summary["start_offset"], at) if offset in truth]
        if summary["kind"] == "gap":
            gaps += at - summary["start_offset"]
            if at > max(log_starts, default=0):
                complain(f"{key}: a gap up to {at}, but the log never began above {max(log_starts, default=0)}")
            # The test deletes records by request, which Bifrost tells from retention where it can.
            if summary["reason"] not in ("retention", "deleted_by_request") or records:
                complain(f"{key}: {len(records)} records and reason {summary['reason']} in a gap")
            continue
        if [[record[field] for field in FIELDS] for record in records] != expected:
            complain(f"{key}: {len(records)} records that are not the {len(expected)} of the log")
        missing = sum(summary["missing"].values())
        if len(records) + missing != at - summary["start_offset"]:
            complain(f"{key}: {len(records)} records and {missing} missing in [{summary['start_offset']}, {at})")
        found += len(records)
    if truth and at <= max(truth):
        complain(f"{place}: the archive ends at {at}, the log has offset {max(truth)}")
    return found, gaps


def main():
    truth, objects = load_truth(sys.argv[2]), load_objects(sys.argv[3])
    starts = {}
    for argument in sys.argv[4:]:
        place, offsets = argument.split("=")
        topic, partition = place.split("/")
        starts[topic, int(partition)] = {int(offset) for offset in offsets.split(",") if offset}
    total = lost = 0
    for place in sorted(starts):
        found, gaps = compare(place, truth[place], objects[place], starts[place])
        total, lost = total + found, lost + gaps
    if not total:
        complain("no record was compared")
    if not lost:
        complain("no gap was recorded, though the log was deleted while nobody archived")
    print(f"{sum(map(len, truth.values()))} records in the log, {total} in {sum(map(len, objects.values()))} objects, {lost} offsets in gaps")
    for text in wrong[:20]:
        print("WRONG:", text)
    sys.exit(1 if wrong else 0)


main()
