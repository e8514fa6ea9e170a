"""Runs the service of the guide's chapter "Build a service" while it and its server are killed at random.

    python3 docs/check_service.py target/debug/allsource [SEED]

At the end each order has been placed exactly once, and the read model is what a fresh one would be. Python 3.11, the
standard library only.
"""

import importlib.util
import json
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ORDERS = 300
KILLS = 12
PATIENCE_S = 120


def program_of(guide: str) -> str:
    """The Python of the chapter: all of it is one file."""
    chapter = guide.split("\n## Build a service\n")[1].split("\n## ")[0]
    return "\n\n".join(re.findall(r"```python\n(.*?)```", chapter, re.DOTALL))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Part:
    """A process that is started again whenever it was killed."""

    def __init__(self, folder: Path, command: list[str], name: str):
        self.command, self.log = command, open(folder / f"{name}.log", "ab")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


def fill_inbox(path: Path, first: int) -> None:
    inbox = sqlite3.connect(path)
    with inbox:
        inbox.execute("CREATE TABLE requests (id TEXT PRIMARY KEY, quantity INTEGER, outcome TEXT)")
        rows = [(f"order-{n:04}", n % 3 + 1) for n in range(first, ORDERS, 2)]
        inbox.executemany("INSERT INTO requests VALUES (?, ?, NULL)", rows)
    inbox.close()


def open_requests(paths: list[Path]) -> int:
    count = 0
    for path in paths:
        inbox = sqlite3.connect(path, timeout=30)
        count += inbox.execute("SELECT count(*) FROM requests WHERE outcome IS NULL").fetchone()[0]
        inbox.close()
    return count


def rows(db: sqlite3.Connection) -> list:
    return db.execute("SELECT id, quantity, status FROM orders ORDER BY id").fetchall()


def wait_for(what: str, is_done) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_done():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_S} s"
        time.sleep(0.1)


def check(binary: str, folder: Path, dice: random.Random) -> None:
    root = Path(__file__).resolve().parent
    program = folder / "orders.py"
    program.write_text(program_of((root / "guide.md").read_text()))
    host = f"127.0.0.1:{free_port()}"
    inboxes = [folder / "inbox-0.db", folder / "inbox-1.db"]
    for first, path in enumerate(inboxes):
        fill_inbox(path, first)
    model = folder / "model.db"

    spec = importlib.util.spec_from_file_location("orders", program)
    orders = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(orders)
    orders.HOST = host

    serve = [binary, "serve", "--listen", host, "--data", str(folder / "store"), "--journal-file-bytes", "1048576"]
    python = [sys.executable, str(program), host]
    parts = [Part(folder, serve, "server")]
    try:
        added = {"entity_id": "stock", "event_type": "stock.added", "payload": {"left": 1_000_000}, "expected_version": 0}
        status, answer = orders.call("POST", "/api/v1/events", added, {"Idempotency-Key": "first-stock"})
        assert status == 200, answer
        parts.append(Part(folder, [*python, "work", str(inboxes[0])], "worker-0"))
        parts.append(Part(folder, [*python, "work", str(inboxes[1])], "worker-1"))
        parts.append(Part(folder, [*python, "project", str(model)], "projector"))
        for kill in range(KILLS):
            time.sleep(dice.uniform(0.05, 0.4))
            parts[0 if kill % 2 else dice.randrange(1, 4)].kill()
        wait_for("the end of the work", lambda: open_requests(inboxes) == 0)

        query = "/api/v1/events/query?event_type=order.placed&limit=10000"
        placed = orders.call("GET", query)[1]["events"]
        assert len(placed) == ORDERS, f"{len(placed)} placements of {ORDERS} orders"
        assert len({event["entity_id"] for event in placed}) == ORDERS, "an order was placed twice"
        version, stock = orders.load("stock")
        sold = sum(event["payload"]["quantity"] for event in placed)
        assert (version, stock["left"]) == (ORDERS + 1, 1_000_000 - sold), (version, stock, sold)

        fresh = orders.open_model(":memory:")
        for kind, cursor, data in orders.follow(None):
            orders.take(fresh, kind, cursor, data)
            if kind == "caught_up":
                break
        expected = rows(fresh)
        assert len(expected) == ORDERS
        db = sqlite3.connect(model, timeout=30)
        wait_for("the read model that equals a fresh one", lambda: rows(db) == expected)
        db.close()
        for order, quantity, status in expected:
            assert orders.load(order) == (1, {"quantity": quantity, "status": status}), order
    except BaseException:
        for log in folder.glob("*.log"):
            print(f"== {log.name}\n{log.read_text()[-2000:]}", file=sys.stderr)
        raise
    finally:
        for part in parts:
            part.end()


def main() -> None:
    binary, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        print(f"seed {seed}")
        check(str(Path(binary).resolve()), Path(folder), random.Random(seed))
    took = time.monotonic() - began
    print(json.dumps({"orders": ORDERS, "kills": KILLS, "seconds": round(took, 1)}))


if __name__ == "__main__":
    main()
