"""A primary behind a proxy, two replicas and three Sentinels on loopback, and the ways in which they fail."""

import selectors
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from alodial.testing.redis_server import EmbeddedRedis, find_server, free_port

SENTINEL_HOST, REPLICA_HOST = "127.0.0.4", "127.0.0.3"
"""Where Sentinels and replicas connect from, so that the proxy can tell them from the clients."""

DOWN_AFTER = 2.0
"""Seconds without an answer after which a Sentinel takes a server for dead."""


class Proxy(threading.Thread):
    """Forwards TCP to a server. ``cut`` drops all that comes from these addresses, ``heal`` lets it through again."""

    def __init__(self, target: int) -> None:
        super().__init__(name="proxy", daemon=True)
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self._events = selectors.DefaultSelector()
        self._events.register(self._listener, selectors.EVENT_READ, None)
        self._cut: frozenset[str] = frozenset()
        self._ended = False

    def cut(self, *addresses: str) -> None:
        self._cut = frozenset(addresses)

    def heal(self) -> None:
        self._cut = frozenset()

    def close(self) -> None:
        self._ended = True
        self.join(2)
        self._listener.close()

    def run(self) -> None:
        while not self._ended:
            for key, _ in self._events.select(0.1):
                if key.data is None:
                    self._accept()
                else:
                    self._forward(key.fileobj, *key.data)

    def _accept(self) -> None:
        client, (address, _) = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._target), timeout=1)
        except OSError:
            client.close()
            return
        self._events.register(client, selectors.EVENT_READ, (server, address))
        self._events.register(server, selectors.EVENT_READ, (client, address))

    def _forward(self, source: Any, sink: socket.socket, address: str) -> None:
        if source.fileno() < 0:
            return
        try:
            data = source.recv(1 << 16)
            if data and address in self._cut:
                return  # as a network that loses every packet
            if data:
                sink.settimeout(1)
                sink.sendall(data)
                return
        except OSError:
            pass
        for end in (source, sink):
            if end.fileno() >= 0:  # the other end's own event may have closed both
                self._events.unregister(end)
                end.close()


class RedisGroup:
    """``with`` starts all servers and waits until every Sentinel knows both replicas and the other Sentinels."""

    name = "calls"

    def __init__(self, folder: Path, *, options: tuple[str, ...] = (), fsync: str = "everysec") -> None:
        self.folder = folder
        self._servers = []
        self.sentinels: list[subprocess.Popen[bytes]] = []
        self._ports: list[int] = []
        (folder / "one").mkdir(parents=True)
        shared = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", *options)
        self.primary = EmbeddedRedis(folder=folder / "one", fsync=fsync, options=shared)
        self.proxy = Proxy(self.primary.port)
        self.primary._options += (  # the address by which Sentinels know it
            *("--replica-announce-ip", "127.0.0.1", "--replica-announce-port", str(self.proxy.port)),
        )
        self.replicas = []
        for name in ("two", "three"):
            (folder / name).mkdir()
            follow = ("--replicaof", "127.0.0.1", str(self.proxy.port), "--bind-source-addr", REPLICA_HOST)
            announce = ("--replica-announce-ip", "127.0.0.1")
            server = EmbeddedRedis(folder=folder / name, fsync=fsync, options=(*shared, *follow, *announce))
            self.replicas.append(server)

    @property
    def url(self) -> str:
        hosts = ",".join(f"{SENTINEL_HOST}:{port}" for port in self._ports)
        return f"redis+sentinel://{hosts}/{self.name}/0"

    def __enter__(self) -> Self:
        try:
            self.primary.start()
            self.proxy.start()
            for replica in self.replicas:
                replica.start()
            self._ports = [free_port() for _ in range(3)]
            for port in self._ports:
                self.start_sentinel(port)
            self._wait_until_complete()
        except BaseException:
            self.stop()
            raise
        return self

    def start_sentinel(self, port: int) -> None:
        config = self.folder / f"sentinel-{port}.conf"
        config.write_text(
            f"port {port}\nbind {SENTINEL_HOST}\nbind-source-addr {SENTINEL_HOST}\n"
            f"protected-mode no\ndir {self.folder}\nloglevel notice\n"
            f"logfile {self.folder}/sentinel-{port}.log\n"
            f"sentinel announce-ip {SENTINEL_HOST}\n"
            f"sentinel monitor {self.name} 127.0.0.1 {self.proxy.port} 2\n"
            f"sentinel down-after-milliseconds {self.name} {int(DOWN_AFTER * 1000)}\n"
            f"sentinel failover-timeout {self.name} 10000\nsentinel parallel-syncs {self.name} 2\n"
        )
        self.sentinels.append(subprocess.Popen([find_server(), str(config), "--sentinel"], stdout=subprocess.DEVNULL))

    def _wait_until_complete(self) -> None:
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            try:
                if all(self._complete(port) for port in self._ports):
                    return
            except redis.RedisError:
                pass
            time.sleep(0.2)
        raise AssertionError("the Sentinels did not find each other")

    def _complete(self, port: int) -> bool:
        with redis.Redis(host=SENTINEL_HOST, port=port, socket_timeout=2, protocol=2) as client:
            row: Any = client.execute_command("SENTINEL", "master", self.name)
            values = dict(zip(row[::2], row[1::2], strict=True))
            replicas: Any = client.execute_command("SENTINEL", "replicas", self.name)
            in_step = sum(b"ok" in row for row in replicas)
            others: Any = client.execute_command("SENTINEL", "sentinels", self.name)
            up = sum(b"sentinel" in row for row in others)  # the flags of one that is down say more
            return up == 2 and values[b"num-slaves"] == b"2" and in_step == 2

    def sentinel(self, number: int = 0) -> "redis.Redis":
        return redis.Redis(host=SENTINEL_HOST, port=self._ports[number], socket_timeout=2, protocol=2)

    def fail_over(self) -> None:
        """The operator's planned failover."""
        with self.sentinel(2) as client:
            client.execute_command("SENTINEL", "failover", self.name)

    def pause_primary(self, *, resume: bool = False) -> None:
        assert self.primary.process is not None
        self.primary.process.send_signal(signal.SIGCONT if resume else signal.SIGSTOP)

    def promoted(self) -> EmbeddedRedis | None:
        """The replica that calls itself primary."""
        for replica in self.replicas:
            try:
                with redis.Redis(port=replica.port, socket_timeout=1, protocol=2) as client:
                    role: Any = client.execute_command("ROLE")
                    if role[0] == b"master":
                        return replica
            except redis.RedisError:
                continue
        return None

    def kill_sentinel(self, number: int) -> None:
        self.sentinels[number].kill()
        self.sentinels[number].wait()

    def stop(self) -> None:
        for number in range(len(self.sentinels)):
            self.kill_sentinel(number)
        for server in (*self.replicas, self.primary):
            server.kill()
            server.stop()
        if self.proxy.is_alive():
            self.proxy.close()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
