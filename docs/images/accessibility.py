#!/usr/bin/env python3
"""Looks at a page as a screen reader gets it: the accessibility tree of a real Chromium.

accessibility.py CHROMIUM PAGE

Ends with 1, and says which nodes, if something that a person can reach or see has no name, if headings leave
out a level, or if a table has no name. It speaks DevTools' protocol over a pipe and needs nothing but Python.
"""

import json
import os
import subprocess
import sys
import tempfile

# Roles that are nothing to a person without a name (Accessible Rich Internet Applications 1.2, "Roles that
# require an accessible name", and tables, which a list of all tables names).
NAMED = {"button", "checkbox", "columnheader", "dialog", "DisclosureTriangle", "heading", "image", "img", "link",
         "menuitem", "meter", "navigation", "progressbar", "region", "rowheader", "table"}


class Browser:
    def __init__(self, chromium, profile):
        theirs_in, self.to = os.pipe()
        self.out, theirs_out = os.pipe()
        def connect():  # the protocol's ends are file descriptors 3 and 4
            first, second = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(first, 3)
            os.dup2(second, 4)
        self.process = subprocess.Popen(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--remote-debugging-pipe", "--force-renderer-accessibility", "--user-data-dir=" + profile],
            close_fds=False, preexec_fn=connect, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.number, self.rest = 0, b""

    def message(self):
        while b"\0" not in self.rest:
            more = os.read(self.out, 1 << 20)
            if not more:
                sys.exit("Chromium ended")
            self.rest += more
        text, _, self.rest = self.rest.partition(b"\0")
        return json.loads(text)

    def call(self, method, session=None, **parameters):
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        if session:
            request["sessionId"] = session
        os.write(self.to, json.dumps(request).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit("%s: %s" % (method, answer["error"]))
                return answer["result"]


def tree_of(chromium, page):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(chromium, profile)
        try:
            target = browser.call("Target.createTarget", url="about:blank")["targetId"]
            session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            browser.call("Page.enable", session)
            browser.call("Page.navigate", session, url="file://" + os.path.abspath(page))
            while browser.call("Runtime.evaluate", session, expression="document.readyState")["result"]["value"] != "complete":
                pass
            # What is folded is for the person as well, once it is open.
            browser.call("Runtime.evaluate", session, expression="document.querySelectorAll('details').forEach(d => d.open = true)")
            return browser.call("Accessibility.getFullAXTree", session)["nodes"]
        finally:
            browser.process.kill()
            browser.process.wait()


def main():
    nodes = [n for n in tree_of(sys.argv[1], sys.argv[2]) if not n.get("ignored")]
    by_id = {n["nodeId"]: n for n in nodes}
    wrong, roles, level = [], {}, 0
    for n in nodes:
        role = n["role"]["value"]
        name = n.get("name", {}).get("value", "").strip()
        properties = {p["name"]: p["value"].get("value") for p in n.get("properties", [])}
        roles[role] = roles.get(role, 0) + 1
        if (role in NAMED or properties.get("focusable") and role not in ("RootWebArea", "document")) and not name:
            parent = by_id.get(n.get("parentId"), {})
            wrong.append("%s without a name, in %s %r" % (role, parent.get("role", {}).get("value"), parent.get("name", {}).get("value", "")[:60]))
        if role == "heading":
            if properties["level"] > level + 1:
                wrong.append("heading %r of level %d behind one of level %d" % (name, properties["level"], level))
            level = properties["level"]
    for role in ("RootWebArea", "main", "navigation", "heading", "table"):
        if not roles.get(role):
            wrong.append("no %s" % role)
    print("%d nodes, %s" % (len(nodes), ", ".join("%d %s" % (roles.get(r, 0), r) for r in ("heading", "table", "columnheader", "rowheader", "image", "region", "link"))))
    for line in sorted(set(wrong)):
        print("%s (%d)" % (line, wrong.count(line)))
    return 1 if wrong else 0


sys.exit(main())
