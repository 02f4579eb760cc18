"""RunPod's API behind a network's own proxy and certificates: a real CONNECT proxy, a real TLS server, on loopback."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jobs
import pytest
import runpod_api as runpod_server
import runpod_rest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from typer.testing import CliRunner

from codex_assets.cli.app import app
from codex_assets.config import settings as configuration
from codex_assets.errors import ConfigurationError, EndpointError
from codex_assets.net import download
from codex_assets.net.outward import CERTIFICATES, Outward
from codex_assets.net.runpod_api import AccountApi, Endpoint, JobsApi, Retries

NAME = "api.runpod.test"
PASSWORD = "s3cret-of-the-proxy"
VARIABLES = (*CERTIFICATES, *("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"))


@dataclass
class Proxy:
    """`seen`: the first line of every request, and who asked."""

    port: int
    leads_to: int
    login: str | None = None
    seen: list[tuple[str, str]] = field(default_factory=list)


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def joined(client: socket.socket, server: socket.socket) -> None:
    back = threading.Thread(target=pump, args=(server, client), daemon=True)
    back.start()
    pump(client, server)
    back.join()
    client.close()
    server.close()


@contextmanager
def accepting(serve: Any) -> Iterator[int]:
    """Every connection to a port goes to `serve`, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def loop() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=loop, daemon=True).start()
        yield listening.getsockname()[1]
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(leads_to: int, login: str | None = None) -> Iterator[Proxy]:
    """A proxy, to which every name is this machine: as a network's own has names of its own."""
    seen_proxy = Proxy(0, leads_to, login)

    def serve(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(4096)
            if not data:
                return
            head += data
        lines = head.decode().split("\r\n")
        given = next((line.split(" ")[-1] for line in lines if line.lower().startswith("proxy-authorization:")), "")
        seen_proxy.seen.append((lines[0].rsplit(" ", 1)[0], base64.b64decode(given).decode()))
        if login is not None and seen_proxy.seen[-1][1] != login:
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            connection.close()
            return
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        joined(connection, socket.create_connection(("127.0.0.1", seen_proxy.leads_to)))

    with accepting(serve) as port:
        seen_proxy.port = port
        yield seen_proxy


@contextmanager
def in_tls(port: int, authority: Path) -> Iterator[int]:
    """What listens at a port of this machine, over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem")

    def serve(connection: socket.socket) -> None:
        with suppress(OSError):
            joined(context.wrap_socket(connection, server_side=True), socket.create_connection(("127.0.0.1", port)))

    with accepting(serve) as secure:
        yield secure


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ca.pem`, a network's own authority, and `server.pem`, what it vouches for; `hashed`, the first as a folder."""
    folder = tmp_path_factory.mktemp("authority")
    now = datetime.datetime.now(datetime.UTC)
    keys = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("a network's own", NAME)]
    spellings: list[x509.GeneralName] = [
        x509.DNSName(NAME),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    spellings.append(x509.IPAddress(ipaddress.ip_address("0.0.0.0")))
    certificates = []
    for number, key in enumerate(keys):
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[number])
            .issuer_name(names[0])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=number == 0, path_length=None), critical=True)
        )
        if number:
            builder = builder.add_extension(x509.SubjectAlternativeName(spellings), critical=False)
        certificates.append(builder.sign(keys[0], hashes.SHA256()))
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(certificates[0].public_bytes(pem))
    secret = keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(secret + certificates[1].public_bytes(pem))
    (folder / "hashed").mkdir()
    shown = os.popen(f"openssl x509 -hash -noout -in {folder}/ca.pem").read().strip()
    (folder / "hashed" / f"{shown}.0").write_bytes(certificates[0].public_bytes(pem))
    return folder


@dataclass
class Network:
    """RunPod's API as it is reached from a network of its own. `port`: its TLS, here."""

    rest: runpod_rest.Rest
    proxy: Proxy
    port: int

    def environment(self, **more: str) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if name.upper() not in VARIABLES}
        return {**plain, "RUNPOD_API_KEY": runpod_rest.KEY, "RUNPOD_REST_BASE": f"https://{NAME}", **more}


@pytest.fixture
def network(authority: Path) -> Iterator[Network]:
    with (
        runpod_rest.serving() as rest,
        in_tls(rest.port, authority) as secure,
        proxy(secure, f"worker:{PASSWORD}") as through,
    ):
        yield Network(rest, through, secure)


def endpoints(environ: Mapping[str, str]) -> list[dict[str, Any]]:
    return AccountApi(configuration.management(environ), Retries(attempts=1)).endpoints()


@pytest.mark.parametrize("certificates", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_api_is_reached_through_the_proxy_and_its_authority_is_trusted(
    network: Network, authority: Path, certificates: str
) -> None:
    place = authority / ("hashed" if certificates == "SSL_CERT_DIR" else "ca.pem")
    login = f"http://worker:{PASSWORD}@127.0.0.1:{network.proxy.port}"
    assert endpoints(network.environment(**{certificates: str(place), "HTTPS_PROXY": login})) == []
    assert network.proxy.seen == [(f"CONNECT {NAME}:443", f"worker:{PASSWORD}")]


@pytest.mark.parametrize("name", ["https_proxy", "ALL_PROXY", "all_proxy"])
def test_every_spelling_of_a_proxy_is_known(network: Network, authority: Path, name: str) -> None:
    login = f"worker:{PASSWORD}@127.0.0.1:{network.proxy.port}"
    environ = network.environment(**{name: login}, SSL_CERT_FILE=str(authority / "ca.pem"))
    assert endpoints(environ) == []
    assert len(network.proxy.seen) == 1


def test_what_no_proxy_names_and_what_is_private_is_reached_directly(network: Network, authority: Path) -> None:
    for host in ("localhost", "127.0.0.1"):
        environ = network.environment(
            RUNPOD_REST_BASE=f"https://{host}:{network.port}",
            SSL_CERT_FILE=str(authority / "ca.pem"),
            HTTPS_PROXY=f"http://127.0.0.1:{network.proxy.port}",
            NO_PROXY="example.com, localhost,127.0.0.0/8",
        )
        assert endpoints(environ) == []
    assert network.proxy.seen == []


def test_a_host_with_an_address_that_is_not_public_is_reached(network: Network, authority: Path) -> None:
    """A VPN's names lead to private addresses. 0.0.0.0 is this machine by an address that is no loopback's."""
    environ = network.environment(
        RUNPOD_REST_BASE=f"https://0.0.0.0:{network.port}", SSL_CERT_FILE=str(authority / "ca.pem")
    )
    assert endpoints(environ) == []


def test_jobs_go_through_the_proxy_as_well(authority: Path, tmp_path: Path) -> None:
    with (
        runpod_server.serving() as api,
        in_tls(api.port, authority) as secure,
        proxy(secure) as through,
    ):
        plain = {name: value for name, value in os.environ.items() if name.upper() not in VARIABLES}
        settings = configuration.load(
            {
                **plain,
                **jobs.local_environment(tmp_path),
                "BUILD_ON": "runpod",
                "RUNPOD_ENDPOINT_ID": runpod_server.ENDPOINT,
                "RUNPOD_API_KEY": runpod_server.KEY,
                "RUNPOD_API_BASE": f"https://{NAME}",
                "https_proxy": f"http://127.0.0.1:{through.port}",
                "REQUESTS_CA_BUNDLE": str(authority / "ca.pem"),
            }
        )
        assert settings.runpod is not None
        asked = JobsApi(settings.runpod, Retries(patience_s=0.1), threading.Event())
        job_id = asked.run({"an": "upload"}, execution_s=60, lifetime_s=120)
        assert asked.waiting() == 1
        assert job_id in api.jobs
        assert {line for line, _ in through.seen} == {f"CONNECT {NAME}:443"}


def test_what_stands_in_the_way_is_a_sentence_without_the_password(network: Network, authority: Path) -> None:
    trusted = {"SSL_CERT_FILE": str(authority / "ca.pem")}
    for more, sentence in (
        (
            {"HTTPS_PROXY": f"http://worker:{PASSWORD}wrong@127.0.0.1:{network.proxy.port}", **trusted},
            "user and a pass",
        ),
        ({"HTTPS_PROXY": f"http://worker:{PASSWORD}@127.0.0.1:1", **trusted}, "through the proxy"),
        ({"HTTPS_PROXY": f"http://worker:{PASSWORD}@127.0.0.1:{network.proxy.port}"}, "certificate was not accepted"),
        ({"HTTPS_PROXY": f"socks5://worker:{PASSWORD}@127.0.0.1:9"}, "HTTPS_PROXY names a kind of proxy"),
        ({"ALL_PROXY": f"http://worker:{PASSWORD}@:port"}, "ALL_PROXY is not the URL of a proxy"),
        ({"SSL_CERT_FILE": "/no/such/file"}, "SSL_CERT_FILE names a file that does not exist"),
        ({"REQUESTS_CA_BUNDLE": __file__}, "REQUESTS_CA_BUNDLE cannot be read, or holds what is no certificate"),
    ):
        with pytest.raises((ConfigurationError, EndpointError)) as failed:
            endpoints(network.environment(**more))
        assert sentence in failed.value.public, failed.value.public
        assert PASSWORD not in f"{failed.value.public} {failed.value.detail}"


def test_a_url_that_is_typed_goes_the_same_way(authority: Path, tmp_path: Path) -> None:
    """Its host has no address here: only the proxy knows it."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.close()

    with accepting(serve) as port, in_tls(port, authority) as secure, proxy(secure) as through:
        environ: dict[str, str | None] = dict.fromkeys((*VARIABLES, *(name.lower() for name in VARIABLES)))
        environ |= {
            "HTTPS_PROXY": f"http://127.0.0.1:{through.port}",
            "SSL_CERT_FILE": str(authority / "ca.pem"),
        }
        done = CliRunner().invoke(app, ["verify", f"https://{NAME}/v/master.m3u8"], env=environ)
    assert done.exit_code == 2, done.output
    assert "404" in done.stderr
    assert through.seen == [(f"CONNECT {NAME}:443", "")]


def test_a_plain_http_url_is_asked_of_the_proxy_itself() -> None:
    asked: list[str] = []

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65536).decode())
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhere")
        connection.close()

    with accepting(serve) as port:
        way = Outward.of({"HTTP_PROXY": f"http://worker:{PASSWORD}@127.0.0.1:{port}"}, [])
        content = download.get(f"http://{NAME}/a?b=c", limit_bytes=100, timeout_s=10, allow_private=True, outward=way)
    assert content.body == b"here"
    (head,) = asked
    assert head.startswith(f"GET http://{NAME}/a?b=c HTTP/1.1\r\n")
    assert f"\r\nHost: {NAME}\r\n" in head
    login = base64.b64encode(f"worker:{PASSWORD}".encode()).decode()
    assert f"\r\nProxy-Authorization: Basic {login}\r\n".lower() in head.lower()


@pytest.mark.parametrize(
    ("listed", "direct"),
    [
        ("", []),
        ("*", ["a.example", "10.0.0.9"]),
        ("example", ["a.example", "example"]),
        (".Example", ["a.example", "example"]),
        ("*.example", ["a.example", "example"]),
        ("ample", []),
        ("a.example:443", ["a.example"]),
        ("a.example:80", []),
        ("10.0.0.0/8 other", ["10.0.0.9"]),
        ("10.0.0.9,", ["10.0.0.9"]),
        ("10.0.0", []),
        ("[fd00::1]", ["fd00::1"]),
        ("fd00::/8", ["fd00::1"]),
        ("fd00::5/64", ["fd00::1"]),
        ("fd00:0:0:0:0:0:0:1", ["fd00::1"]),
    ],
)
def test_who_is_reached_directly(listed: str, direct: list[str]) -> None:
    problems: list[str] = []
    way = Outward.of({"HTTPS_PROXY": "http://proxy:3128", "no_proxy": listed}, problems)
    assert problems == []
    hosts = ["a.example", "example", "10.0.0.9", "fd00::1", "notexample"]
    everywhere = listed == "*"
    assert [host for host in hosts if way.proxy("https", host, 443) is None] == (
        hosts if everywhere else [host for host in hosts if host in direct]
    )


def test_a_proxy_that_is_set_to_nothing_is_turned_off_and_no_password_is_shown() -> None:
    problems: list[str] = []
    off = Outward.of({"https_proxy": "", "HTTPS_PROXY": "http://proxy:1", "all_proxy": ""}, problems)
    assert off.proxy("https", "a.example", 443) is None
    on = Outward.of({"HTTPS_PROXY": f"http://a:{PASSWORD}@proxy:1"}, problems)
    assert on.proxy("https", "a.example", 443) is not None
    endpoint = Endpoint("id", SecretStr("key"), outward=on)
    assert PASSWORD not in f"{on!r} {endpoint!r}"
