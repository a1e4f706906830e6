"""What lies between us and a grader: TLS that is always verified, sockets of this machine, proxies only when named."""

import pathlib
import ssl

import pytest
import yaml

import https_grader as graders
from worker import rbr, settings

POLICY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
ANSWER = "P(yes) 0.7500"


def probe(folder, url, env=None, **grader):
    config = folder / "probe.yaml"
    config.write_text(yaml.safe_dump(settings("127.0.0.1:1", url, [POLICY], grader=grader)))
    result = rbr("check", "-c", config, "--probe", env=env)
    return result.returncode, result.stdout.decode() + result.stderr.decode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return graders.Authority(tmp_path_factory.mktemp("certificates"))


def url_of(server):
    return f"https://127.0.0.1:{server.server_address[1]}"


def test_a_server_of_the_named_authority_is_asked(tmp_path, authority):
    with graders.https(graders.tls(*authority.issue("good"))) as server:
        code, text = probe(tmp_path, url_of(server), tls={"ca_file": str(authority.file)})
    assert code == 0 and ANSWER in text, text
    assert set(server.paths) == {"/v1/chat/completions"}


WRONG = {
    "expired": ({"ends": -graders.DAY / 2}, {}),
    "not yet valid": ({"starts": graders.DAY / 2}, {}),
    "another host": ({"host": "grader.example"}, {}),
    "TLS 1.1": ({}, {"newest": ssl.TLSVersion.TLSv1_1}),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", WRONG)
def test_refused(tmp_path, authority, name):
    issued, served = WRONG[name]
    with graders.https(graders.tls(*authority.issue(name.replace(" ", "-"), **issued), **served)) as server:
        code, text = probe(tmp_path, url_of(server), tls={"ca_file": str(authority.file)}, attempts=1)
    assert code == 1 and "GRADER_UNAVAILABLE" in text, text
    assert server.paths == []


def test_another_authority_is_refused(tmp_path, authority):
    (tmp_path / "other").mkdir()
    other = graders.Authority(tmp_path / "other", "other")
    with graders.https(graders.tls(*other.issue("stranger"))) as server:
        for tls in ({"ca_file": str(authority.file)}, None):  # and the system trusts neither
            code, text = probe(tmp_path, url_of(server), tls=tls, attempts=1)
            assert code == 1 and "GRADER_UNAVAILABLE" in text, text
    assert server.paths == []


def test_a_certificate_of_ours_is_shown(tmp_path, authority):
    certificate, key = authority.issue("client")
    with graders.https(graders.tls(*authority.issue("strict"), client_authority=authority.file)) as server:
        ours = {"ca_file": str(authority.file), "certificate_file": str(certificate), "key_file": str(key)}
        code, text = probe(tmp_path, url_of(server), tls=ours)
        assert code == 0 and ANSWER in text, text
        both = tmp_path / "both.pem"
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        code, text = probe(tmp_path, url_of(server), tls={"ca_file": str(authority.file), "certificate_file": str(both)})
        assert code == 0 and ANSWER in text, text
        asked = len(server.paths)
        code, text = probe(tmp_path, url_of(server), tls={"ca_file": str(authority.file)}, attempts=1)
        assert code == 1, text
        assert len(server.paths) == asked


def test_wrong_files(tmp_path, authority):
    certificate, key = authority.issue("files")
    no_pem = tmp_path / "no.pem"
    no_pem.write_text("hello")
    open_key = tmp_path / "open.key"
    open_key.write_bytes(key.read_bytes())
    open_key.chmod(0o644)
    cases = [({"ca_file": str(tmp_path / "none.pem")}, "No such file"),
             ({"ca_file": str(no_pem)}, "not in PEM format"),
             ({"certificate_file": str(certificate), "key_file": str(open_key)}, "chmod 600"),
             ({"key_file": str(key)}, "tls.certificate_file")]
    for tls, sentence in cases:
        code, text = probe(tmp_path, "https://127.0.0.1:1", tls=tls)
        assert code != 0 and sentence in text, text


def test_a_socket_of_this_machine(tmp_path):
    path = tmp_path / "grader.sock"
    with graders.unix(path) as server:
        code, text = probe(tmp_path, f"unix:{path}")
    assert code == 0 and ANSWER in text, text
    assert set(server.paths) == {"/v1/chat/completions"}


def test_a_proxy_only_when_it_is_named(tmp_path):
    """A proxy sees the whole URL; the environment's are none of ours."""
    with graders.plain() as grader, graders.plain() as proxy:
        url, via = (f"http://127.0.0.1:{s.server_address[1]}" for s in (grader, proxy))
        environment = {"http_proxy": via, "HTTP_PROXY": via, "all_proxy": via, "ALL_PROXY": via, "no_proxy": ""}
        code, text = probe(tmp_path, url, env=environment)
        assert code == 0 and proxy.paths == [] and len(grader.paths) == 2, text
        code, text = probe(tmp_path, url, proxy=via)
        assert code == 0 and proxy.paths == [f"{url}/v1/chat/completions"] * 2 and len(grader.paths) == 2, text


@pytest.mark.parametrize("proxy", ["127.0.0.1:3128", "socks5://127.0.0.1:1", "http://user:secret@127.0.0.1:3128"])
def test_a_proxy_that_is_no_url(tmp_path, proxy):
    code, text = probe(tmp_path, "http://127.0.0.1:1", proxy=proxy)
    assert code == 2 and "graders.0.proxy" in text and "secret" not in text, text
