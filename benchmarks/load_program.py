"""Sends one request again and again from several clients, and prints answers per second and latencies as JSON.

Usage: python load_program.py URL BODY_FILE NUM_CLIENTS SECONDS
"""

import http.client
import json
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

WARM_UP_S = 2.0


class Client(threading.Thread):
    """One connection that is kept open; each request waits for the answer to the one before."""

    def __init__(self, url: str, body: bytes, seconds: float) -> None:
        super().__init__()
        self.parts, self.body, self.seconds = urlsplit(url), body, seconds
        self.latencies: list[float] = []
        """Seconds of each request after the warm-up."""
        self.problem = ""

    def run(self) -> None:
        """Sends requests until the time is over, or one fails."""
        connection = http.client.HTTPConnection(self.parts.hostname, self.parts.port, timeout=60)
        begin = time.perf_counter()
        while (started := time.perf_counter()) < begin + WARM_UP_S + self.seconds:
            connection.request("POST", self.parts.path, self.body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != http.client.OK:
                self.problem = f"HTTP {answer.status}: {content[:200]!r}"
                return
            if started >= begin + WARM_UP_S:
                self.latencies.append(time.perf_counter() - started)


def main() -> None:
    url, body_path, num_clients, seconds = sys.argv[1:]
    clients = [Client(url, Path(body_path).read_bytes(), float(seconds)) for _ in range(int(num_clients))]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    problems = [client.problem for client in clients if client.problem]
    if problems:
        sys.exit(problems[0])
    latencies = sorted(latency for client in clients for latency in client.latencies)
    at = {name: latencies[int(len(latencies) * share)] * 1e3 for name, share in (("p50", 0.5), ("p99", 0.99))}
    print(json.dumps({"rate": len(latencies) / float(seconds), "p50_ms": at["p50"], "p99_ms": at["p99"]}))


if __name__ == "__main__":
    main()
