"""AWS's emulator with several invocations at once, in namespaces of its own: it wants /var/task.

usage: unshare -n -m -p --fork --mount-proc python managed.py RIE FOLDER COUNT < request

Prints a line of JSON: the replies of COUNT invocations by eight clients, and the threads of the handler.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

URL = "http://127.0.0.1:9080/2015-03-31/functions/function/invocations"


def invoke(event):
    last = ""
    for _ in range(100):
        try:
            with urllib.request.urlopen(urllib.request.Request(URL, event), timeout=30) as reply:
                return reply.read().decode()
        except urllib.error.HTTPError as failed:
            # What comes while no poll is open is refused: invocations are not queued here.
            if failed.code != 400:
                return str(failed)
            last = failed.read().decode()
            time.sleep(0.01)
        except (ConnectionError, urllib.error.URLError) as failed:
            last = str(failed)
            time.sleep(0.05)
    return last


def threads_of_the_handler():
    threads = [0]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "exe") == "/var/task/bootstrap":
                threads.append(len(list((folder / "task").iterdir())))
        except OSError:
            continue
    return max(threads)


def main(rie, folder, count):
    for command in (["ip", "link", "set", "lo", "up"], ["mount", "-t", "tmpfs", "none", "/var"], ["mkdir", "/var/task"],
                    ["mount", "--bind", folder, "/var/task"]):
        subprocess.run(command, check=True)
    event = sys.stdin.buffer.read()
    env = {"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": "/var/task", "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
           "AWS_LAMBDA_MAX_CONCURRENCY": "4"}
    emulator = subprocess.Popen([rie, "--runtime-interface-emulator-address", "127.0.0.1:9080", "--runtime-api-address",
                                 "127.0.0.1:9001", "--log-level", "error", "/var/task/bootstrap"], env=env,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        replies = [invoke(event)]
        with ThreadPoolExecutor(8) as clients:
            replies += clients.map(invoke, [event] * (count - 1))
        print(json.dumps({"replies": replies, "threads": threads_of_the_handler()}))
    finally:
        emulator.terminate()
        emulator.wait(10)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
