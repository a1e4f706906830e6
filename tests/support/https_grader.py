"""A chat grader behind TLS, a unix socket or a proxy: what lies between it and the client is what a test is about.

Each answer is P(yes) = 0.75. Certificates are made when they are needed, by an authority of their own.
"""

import contextlib
import datetime
import http.server
import ipaddress
import json
import os
import socket
import socketserver
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from behaviours import YES_NO
from scripted_dialects import chat_reply, position

DAY = datetime.timedelta(days=1)


class Authority:
    def __init__(self, folder, name="authority"):
        self.folder, self.name = folder, name
        self.key, self.certificate = ec.generate_private_key(ec.SECP256R1()), None
        self.certificate = self.sign(name, self.key, authority=True)
        self.file = self.write(f"{name}.pem", self.certificate.public_bytes(serialization.Encoding.PEM))

    def write(self, name, data):
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(data)
        return path

    def sign(self, subject, key, starts=-DAY, ends=DAY, host="127.0.0.1", authority=False):
        now = datetime.datetime.now(datetime.timezone.utc)
        try:
            name = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        return (x509.CertificateBuilder()
                .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
                .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
                .public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(now + starts).not_valid_after(now + ends)
                .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
                .add_extension(x509.SubjectAlternativeName([name]), critical=False)
                .sign(self.key, hashes.SHA256()))

    def issue(self, name, **how):
        """(certificate file, key file)."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.sign(name, key, **how).public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                    serialization.NoEncryption())
        return self.write(f"{name}.crt", certificate), self.write(f"{name}.key", private)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.server.paths.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        body = chat_reply([position(YES_NO)])
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "peer"


class Tcp(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a handshake that the client ends is what tests provoke


class Unix(Tcp):
    address_family = socket.AF_UNIX

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)


@contextlib.contextmanager
def serve(server, context=None):
    """The server's request paths in `paths`."""
    server.paths = []
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def tls(certificate, key, client_authority=None, newest=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client_authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_authority)
    if newest is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = newest
    return context


def https(context):
    return serve(Tcp(("127.0.0.1", 0), Handler), context)


def plain():
    return serve(Tcp(("127.0.0.1", 0), Handler))


def unix(path):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return serve(Unix(str(path), Handler))
