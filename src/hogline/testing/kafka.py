"""A private Apache Kafka for tests: one broker with its own data and port, gone afterwards.

Its jars come from Maven, once for all runs, into the user's cache.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import platformdirs

VERSION = "4.4.0"
NEEDS = (
    "These tests need Java 17 and Maven, which fetches Apache Kafka once (Debian and Ubuntu: apt install "
    "openjdk-17-jre-headless maven). `make test` runs without them."
)
_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>hogline</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""
_START_S = 60.0
_CLUSTER = "hogline-tests-kafka-00"


class NoKafka(Exception):
    """There is none on this machine. The text says what to do."""

    def __init__(self) -> None:
        super().__init__(NEEDS)


def jars() -> Path:
    """The folder with Kafka's jars; fetches them if they are not there. Raises `NoKafka`."""
    cache = platformdirs.user_cache_path("hogline") / f"kafka-{VERSION}"
    if shutil.which("java") is None:
        raise NoKafka
    if cache.is_dir():
        return cache
    if shutil.which("mvn") is None:
        raise NoKafka
    cache.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="kafka-", dir=cache.parent))
    try:
        (folder / "pom.xml").write_text(_POM)
        copied = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'libs'}"]
        subprocess.run(["mvn", "-q", "-B", *copied], cwd=folder, check=True, timeout=600, capture_output=True)
        if not cache.is_dir():  # another process may have been quicker
            (folder / "libs").rename(cache)
    except (OSError, subprocess.SubprocessError):
        if not cache.is_dir():
            raise NoKafka from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return cache


class Broker:
    """A broker that is its own controller. `address` is what `--brokers` takes; `sasl_address` wants `USER` and
    `PASSWORD`, and allows only what a test allows `USER`.
    """

    USER = "hogline"
    PASSWORD = "not very secret"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._jars = jars()
        self._port, self._sasl_port, self._controller_port = _free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def sasl_address(self) -> str:
        return f"127.0.0.1:{self._sasl_port}"

    @property
    def sasl(self) -> Mapping[str, str]:
        """What librdkafka needs for `sasl_address`."""
        return {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": self.USER,
            "sasl.password": self.PASSWORD,
        }

    def create(self) -> None:
        login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        (self.folder / "server.properties").write_text(
            f"""\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{self._port},SASL_PLAINTEXT://127.0.0.1:{self._sasl_port},CONTROLLER://127.0.0.1:{self._controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{self._port},SASL_PLAINTEXT://127.0.0.1:{self._sasl_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config={login} user_{self.USER}="{self.PASSWORD}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{self._controller_port}
log.dirs={self.folder / "data"}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.check.interval.ms=1000
file.delete.delay.ms=100
auto.create.topics.enable=false
"""
        )
        self._java(
            "kafka.tools.StorageTool",
            "format",
            "--standalone",
            "-t",
            _CLUSTER,
            "-c",
            str(self.folder / "server.properties"),
        ).wait(_START_S)

    def _java(self, main: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{self._jars}/*", main,
                    *arguments,
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def start(self) -> None:
        """Returns when it accepts connections."""
        self._process = self._java("kafka.Kafka", str(self.folder / "server.properties"))
        until_s = time.monotonic() + _START_S
        while time.monotonic() < until_s and self._process.poll() is None:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.1)
        raise TimeoutError((self.folder / "log").read_text()[-2_000:])

    def stop(self) -> None:
        """Kill it, if it runs."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(_START_S)


@contextmanager
def private() -> Iterator[Broker]:
    """A broker as long as the context lasts. Raises `NoKafka`."""
    folder = Path(tempfile.mkdtemp(prefix="hogline-kafka-"))
    broker: Broker | None = None
    try:
        broker = Broker(folder)
        broker.create()
        broker.start()
        yield broker
    finally:
        if broker is not None:
            broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(many: int) -> list[int]:
    """Ports that nobody listens on, below those that the system hands out to clients."""
    found: list[int] = []
    port = 20_000 + os.getpid() * 10 % 10_000  # several processes may look at the same time
    while len(found) < many:
        port += 1
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return found
