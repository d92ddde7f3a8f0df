"""200 hostile requests while 64 slow connections are held and a job runs: none is served what it should
not be, the page still answers, the job goes on."""
import base64
import json
import os
import socket
import struct
import threading
import time
import unittest
import zlib

from server import LONG, Server, ServerCase, new_folder

SECRET = "nobody may read this"
# Closed, and so read to its end; what copies or prints it level by level has no stack for that.
DEEP = "[" * 200_000 + "]" * 200_000


def png(width, height, data):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", data) + chunk(b"IEND", b""))


def bombs():
    """Pictures that promise more than they hold, or hold more than they promise."""
    def zeros(count):
        packer = zlib.compressobj(9)
        return packer.compress(bytes(count)) + packer.flush()
    return [png(60_000, 60_000, zeros(1000)),
            png(20_000, 20_000, zeros(20_001 * 3000)),
            png(2001, 2001, zeros(2002 * 2001)),
            png(28, 28, zeros(300_000_000)),
            png(0, 0, b""), png(28, 28, b"no deflate"), png(2**31 - 1, 1, zeros(10)),
            b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + b"\xf7\x00\x00" + bytes(768),
            b"BM" + bytes(52), b"\xff\xd8\xff\xe0" + bytes(64), os.urandom(4096), b""]


class Hostile(ServerCase):
    def head(self, method, path, *lines, host=None):
        return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host or self.server.host}",
                            "Connection: close", *lines, "", ""]).encode("latin-1")

    def posted(self, body, *lines, path="/api/jobs", length=None):
        return self.head("POST", path, "Content-Type: application/json",
                         f"X-Espalier-Token: {self.server.token}",
                         f"Content-Length: {len(body) if length is None else length}", *lines) + body

    def attacks(self):
        """Bytes to send, and the statuses that may come back (empty: nothing at all)."""
        host, token = self.server.host, self.server.token
        job = json.dumps({"verb": "bench", "arguments": {}}).encode()
        yield from self.foreign(host, token, job)
        yield from self.traversals()
        yield from self.bodies(token, job)
        yield from self.malformed()

    def foreign(self, host, token, job):
        port = host.split(":")[1]
        for name in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost", "", " ",
                     f"127.0.0.1.evil.example:{port}", f"localhost.evil.example:{port}", f"[::2]:{port}",
                     f"127.0.0.2:{port}", f"0.0.0.0:{port}", f"@127.0.0.1:{port}", f"127.0.0.1:{port}@evil.example",
                     f"127.0.0.1:0{port}", f"127.0.0.1:{port} evil", f"2130706433:{port}", f"0x7f.1:{port}"):
            yield self.head("GET", "/api/runs", host=name or "\t"), {403, 400}
        yield f"GET /api/runs HTTP/1.1\r\n\r\n".encode(), {403, 400}
        yield f"GET /api/runs HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n".encode(), {403, 400}
        for origin in ("http://evil.example", "null", f"https://{host}", f"http://evil.example:{port}", "file://",
                       f"http://{host}.evil.example", f"http://{host}/", f"HTTP://{host}@evil.example"):
            yield self.head("GET", "/api/runs", f"Origin: {origin}"), {403}
            yield self.posted(job, f"Origin: {origin}"), {403}
        for site in ("cross-site", "same-site", "evil"):
            yield self.head("GET", "/api/runs", f"Sec-Fetch-Site: {site}"), {403}
        for wrong in ("", "0" * 32, token[:-1], token + "0", token.upper() + "x", f"{token}, {token}"):
            yield (self.head("POST", "/api/jobs", "Content-Type: application/json",
                             f"X-Espalier-Token: {wrong}", f"Content-Length: {len(job)}") + job), {403}
        yield (self.head("POST", "/api/jobs", "Content-Type: application/json",
                         f"Content-Length: {len(job)}") + job), {403}
        yield (self.head("POST", f"/api/jobs?X-Espalier-Token={token}", "Content-Type: application/json",
                         f"Content-Length: {len(job)}") + job), {403}
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "X" * 300):
            yield self.head(method, "/api/jobs"), {400, 403, 405}

    def traversals(self):
        outside = os.path.relpath(self.secret, self.server.runs / "tiny")
        up = outside.split("/")
        for dots in ("..", "%2e%2e", ".%2e", "%2e.", "%252e%252e", "..%00", "%c0%ae%c0%ae", "%uff0e%uff0e", "....", "..;"):
            for slash in ("/", "%2f", "%5c", "\\", "%252f", "//"):
                path = slash.join(dots if part == ".." else part for part in up)
                yield self.head("GET", f"/api/runs/tiny/files/{path}"), {404, 400, 414}
        for path in (str(self.secret), "%2f" + str(self.secret), "link.txt", "linked/secret.txt", "config.json%00.png",
                     "checkpoints/../../secret.txt", "", "/", ".", "plots", "checkpoints/last.safetensors/x"):
            yield self.head("GET", f"/api/runs/tiny/files/{path}"), {404, 400}
        for path in ("/assets/../secret.txt", "/assets/%2e%2e/secret.txt", "/assets//etc/passwd", "/../../etc/passwd",
                     "/assets/", "/assets/.", "/api/runs/..", "/api/runs/%2e%2e/files/secret.txt", "/api/runs/./files/x",
                     "/api/runs/..:..:etc", "/api/models/..%2f..%2fsecret/artefact", "/api/models//artefact",
                     "/api/models/link/artefact", "/api/jobs/..%2ftiny", "/api/data/test/-1", "/api/data/test/1e3",
                     "/api/data/test/99999999999999999999", "/api/data/test/..%2f", "/api/pareto?run=../tiny",
                     "/api/nothing", "//evil.example/", "/%", "/%zz", "/api/runs/tiny/files/config.json/"):
            yield self.head("GET", path), {404, 400}

    def bodies(self, token, job):
        big = b" " * (1 << 20) + job
        yield self.posted(big), {413}
        yield self.posted(job, length=1 << 40), {413}
        yield self.posted(job, length=10**30), {400}
        yield self.posted(job, length=-1), {400}
        yield self.posted(job, length="0x10"), {400}
        yield self.posted(job, "Content-Length: 5"), {400}
        chunked = ("Content-Type: application/json", f"X-Espalier-Token: {token}", "Transfer-Encoding: chunked")
        yield self.head("POST", "/api/jobs", *chunked) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(job), job), {411}
        yield self.head("POST", "/api/jobs", *chunked) + b"ffffffffffffffff\r\n", {411}
        yield self.head("POST", "/api/jobs", *chunked, "Content-Length: 10") + job, {411}
        yield self.head("POST", "/api/jobs", *chunked[:2], "Transfer-Encoding: identity, chunked") + job, {411}
        yield self.head("GET", "/api/runs", "Content-Length: 5") + b"12345", {400}
        yield self.posted(zlib.compress(job), "Content-Encoding: gzip"), {415}
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
            yield (self.head("POST", "/api/jobs", f"Content-Type: {kind}", f"X-Espalier-Token: {token}",
                             f"Content-Length: {len(job)}") + job), {415}
        for body in (b"", b"{", b"[]", b"null", b'"job"', b"{\"verb\":", b"\xff\xfe{}", b"{" * 5000, b"[" * 200_000,
                     b'{"verb": 1}', b'{"verb": "serve", "arguments": {}}', b'{"verb": "bench", "arguments": []}',
                     b'{"verb": "bench", "arguments": {"--host": "0.0.0.0"}}', b'{"verb": "train; id", "arguments": {}}',
                     b'{"verb": "train", "arguments": {"epochs": 1e999}}', b'{"verb": "train", "arguments": {"model": {}}}'):
            yield self.posted(body), {400, 422}
        for body, path in ((f'{{"verb": "bench", "arguments": {DEEP}}}', "/api/jobs"),
                           (f'{{"verb": "bench", "arguments": {{"threads": {DEEP}}}}}', "/api/jobs"),
                           (f'{{"models": {DEEP}, "image": {DEEP}}}', "/api/predict"),
                           ('{"verb": "bench", "verb": "train", "arguments": {}}', "/api/jobs"), (DEEP, "/api/jobs")):
            yield self.posted(body.encode(), path=path), {400}
        for bomb in bombs():
            body = json.dumps({"models": [self.model], "image": {"file": base64.b64encode(bomb).decode()}}).encode()
            yield self.posted(body, path="/api/predict"), {422, 413}
        yield self.posted(b"{}", path="/api/jobs/..%2f..%2fx/remove"), {404}

    def malformed(self):
        flood = [f"X-Flood-{i}: {i}" for i in range(5000)]
        yield self.head("GET", "/", *flood), {431}
        yield self.head("GET", "/", *flood[:120]), {431}
        yield self.head("GET", "/", "X: " + "y" * 100_000), {431}
        yield self.head("GET", "/" + "a" * 2000), {414}
        yield self.head("GET", "/" + "a" * 100_000), {431}
        yield self.head("GET", "/", "Range: bytes=" + "0-0," * 1500 + "0-0"), {200}  # as if it were not there
        yield self.head("GET", "/", "Accept-Encoding: gzip, br"), {200}
        yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200) + b"\r\n\r\n", {400}
        yield b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", {400, 403, 505}
        yield b"GET\r\n\r\n", {400}
        yield b"\r\n\r\n\r\n", {400}
        yield self.head("GET", "/\x00"), {400}
        yield self.head("GET", "/", "X: \x01\x02"), {400}
        yield self.head("GET", "/", "NoColon"), {200, 400}

    def test_none_is_served_and_all_else_goes_on(self):
        self.secret = self.server.runs.parent / f"{self.server.runs.name}-secret.txt"
        self.secret.write_text(SECRET)
        self.addCleanup(self.secret.unlink)
        (self.server.runs / "tiny/link.txt").symlink_to(self.secret)
        (self.server.runs / "tiny/linked").symlink_to(self.secret.parent)
        (self.server.runs / "tiny/link.safetensors").symlink_to(self.secret)
        job = self.server.submit("train", **LONG)
        self.server.wait_for_steps(job["id"], 3)
        pid = self.server.job(job["id"])["pid"]
        slow = SlowClients(self.server.port)
        files = set(os.listdir(self.server.runs))
        attacks = list(self.attacks())
        self.assertGreaterEqual(len(attacks), 200)
        failures = []
        for sent, allowed in attacks:
            received = self.server.raw(sent)
            status = int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/1.1 ") else None
            shown = sent[:160]
            if status not in allowed:
                failures.append(f"{status} instead of {sorted(allowed)} for {shown!r}: {received[:300]!r}")
            if SECRET.encode() in received or b"root:" in received:
                failures.append(f"a secret was served for {shown!r}")
            if received.count(b"HTTP/1.1 ") > 1:
                failures.append(f"more than one answer for {shown!r}")
        begun = time.monotonic()
        self.assertIn("espalier-token", self.server.text("/"))
        took = time.monotonic() - begun
        print(f"\n{len(attacks)} hostile requests with {slow.alive()} slow connections held; "
              f"then the page took {1e3 * took:.0f} ms")
        self.assertEqual(failures, [], "\n".join(failures))
        self.assertLess(took, 1)
        self.assertEqual(set(os.listdir(self.server.runs)), files)
        running = self.server.job(job["id"])
        self.assertEqual((running["state"], running["pid"]), ("running", pid))
        self.assertLess(self.server.resident_bytes(), 120e6)
        slow.end()

    def test_more_slow_clients_than_there_are_places_do_not_lock_others_out(self):
        slow = [SlowClients(self.server.port) for _ in range(4)]  # 256
        for _ in range(10):
            begun = time.monotonic()
            self.assertIn("espalier-token", self.server.text("/"))
            # Who is locked out waits for the slow ones' deadline, ten seconds.
            self.assertLess(time.monotonic() - begun, 5)
        for each in slow:
            each.end()


class Planted(unittest.TestCase):
    def test_files_of_any_depth_are_as_if_they_were_not_there(self):
        runs = new_folder()
        begun_by = {"train": "config.json", "compress": "compress.json", "profile": "profile.json",
                    "bench": "hardware.json"}
        for run, name in begun_by.items():
            (runs / run).mkdir()
            for each in (name, "env.json", "report.json", "optimization.json", "metrics.jsonl"):
                (runs / run / each).write_text(f'{{"model": {DEEP}}}')
        job = {"verb": "bench", "title": "", "arguments": {}, "words": ["bench", "hardware"], "state": "done",
               "resumes": False, "created": 1, "queued": 1, "started": 1, "ended": 2, "pid": 0, "process_began": 0,
               "code": 0, "error": ""}
        for name, arguments in (("told", "{}"), ("deep", DEEP)):
            (runs / name).mkdir()
            text = json.dumps({"id": name, **job, "arguments": "HERE"}).replace('"HERE"', arguments)
            (runs / name / "job.json").write_text(text)
            (runs / name / "progress.json").write_text(f'{{"stage": {DEEP}}}')
        server = Server(runs)
        self.assertEqual({run["id"] for run in server.get("/api/runs")["runs"]}, set(begun_by))
        for run in begun_by:
            told = server.get(f"/api/runs/{run}")
            self.assertEqual((told["config"], told["env"], told["metrics"]), (None, None, []))
            self.assertEqual(set(told["results"].values()), {None})
        self.assertIsNone(server.get("/api/machine")["hardware"])
        server.get("/api/pareto?run=compress", expect=404)
        self.assertEqual([(each["id"], each["progress"]) for each in server.get("/api/jobs")["jobs"]], [("told", None)])
        self.assertEqual(server.stop()[0], 0)


class Elsewhere(unittest.TestCase):
    def test_listening_for_others_is_warned_of_and_still_refuses_foreign_names(self):
        server = Server(new_folder(), "--host", "0.0.0.0")
        for host, expected in ((f"192.168.1.5:{server.port}", 200), (f"[fe80::1]:{server.port}", 200),
                               (f"localhost:{server.port}", 200), (f"evil.example:{server.port}", 403),
                               (f"192.168.1.5:{server.port + 1}", 403)):
            status, _, _ = server.request("GET", "/api/machine", headers={"Host": host})
            self.assertEqual(status, expected, host)
        code, said = server.stop()
        self.assertEqual(code, 0)
        self.assertIn("whoever reaches this machine", said)


class SlowClients:
    """64 connections that send a byte of a head, or of a body, now and then; and some that never read."""

    def __init__(self, port):
        self.sockets, self.going = [], True
        for i in range(64):
            client = socket.create_connection(("127.0.0.1", port), timeout=5)
            if i % 8 == 0:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.sendall(f"GET /api/settings HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode() * 50)
            elif i % 8 == 1:
                client.sendall(f"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 999\r\n".encode())
            elif i % 8 > 2:
                client.sendall(b"GET / HT")
            self.sockets.append(client)
        self.thread = threading.Thread(target=self.dribble, daemon=True)
        self.thread.start()

    def dribble(self):
        while self.going:
            for client in self.sockets:
                try:
                    client.send(b"X")
                except OSError:
                    pass
            time.sleep(0.5)

    def alive(self):
        """How many the server has not closed."""
        count = 0
        for client in self.sockets:
            client.setblocking(False)
            try:
                count += client.recv(1, socket.MSG_PEEK) != b""
            except BlockingIOError:
                count += 1
            except OSError:
                pass
        return count

    def end(self):
        self.going = False
        self.thread.join()
        for client in self.sockets:
            client.close()


if __name__ == "__main__":
    unittest.main()
