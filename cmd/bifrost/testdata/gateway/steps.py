"""What the programs in Python share: the steps they are told, the login, and how a record is printed.

Arguments and output are those of Read.java.
"""

import os
import sys
from functools import partial

servers, topic = sys.argv[1:3]
resume = -1


def login():
    """KAFKA_LOGIN is MECHANISM:USER:PASSWORD. Without it there is no mechanism."""
    return (os.environ.get("KAFKA_LOGIN", "") + "::").split(":")[:3]


def text(b):
    return "null" if b is None else "'" + b.hex()


def show(partition, offset, timestamp, timestamp_type, key, value, headers):
    shown = "".join(f" {text(k.encode())}={text(v)}" for k, v in headers or [])
    print(partition, offset, timestamp, timestamp_type, text(key), text(value) + shown)


def calls(read, subscribe, produce, group):
    """What to call, step by step; topic and resume are those of the step."""
    global topic, resume
    for step in sys.argv[3:]:
        print("#", step)
        mode, _, argument = step.partition(":")
        if mode == "topic":
            topic = argument
        elif mode == "resume":
            resume = int(argument)
        elif mode == "subscribe":
            yield subscribe
        elif mode == "produce":
            yield produce
        elif mode == "group":
            name, n, size = argument.split(":")
            yield partial(group, name, int(n), int(size))
        else:
            yield partial(read, mode, argument)
