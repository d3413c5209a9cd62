//! A Redis behind TLS: which certificates the server takes, and what it says of others.

#![allow(clippy::unwrap_used)]

// The server's own tests use the rest of it.
#[allow(dead_code)]
#[path = "../../server/tests/server/redis.rs"]
mod lab;

use lab::Redis;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

// Beside the port without TLS, which `redis-cli` takes.
const PORT: u16 = 7380;

/// An authority of an operator's own.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca"), issuer.pem()).unwrap();
        Authority { issuer, directory }
    }

    /// What an operator hands out to those who shall trust it.
    fn file(&self) -> PathBuf {
        self.directory.path().join("ca")
    }

    /// A Redis with a certificate for the host that `name` makes of its address, and its URL.
    fn redis(&self, name: impl FnOnce(Ipv4Addr) -> String) -> (Redis, String) {
        let mut url = String::new();
        let redis = Redis::single_with(|address| {
            url = format!("rediss://{address}:{PORT}");
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name(address)]).unwrap();
            let certificate = params.signed_by(&key, &self.issuer).unwrap();
            let path = |file: &str| self.directory.path().join(file).to_str().unwrap().to_owned();
            std::fs::write(path("certificate"), certificate.pem()).unwrap();
            std::fs::write(path("key"), key.serialize_pem()).unwrap();
            [
                ["--tls-port", &PORT.to_string()],
                ["--tls-cert-file", &path("certificate")],
                ["--tls-key-file", &path("key")],
                ["--tls-ca-cert-file", &path("ca")],
                ["--tls-auth-clients", "no"],
            ]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
        });
        (redis, url)
    }
}

/// How a server on `store` that trusts `authority` answers `/readyz`, and what it logs.
fn ready(store: &str, authority: &Path) -> (String, String) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["serve", "--json", "--listen", "127.0.0.1:0", "--log-format", "text", "--store", store])
        .env("SSL_CERT_FILE", authority)
        .env_remove("SSL_CERT_DIR")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut listening = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut listening).unwrap();
    let listening: serde_json::Value = serde_json::from_str(&listening).unwrap();
    let mut stream = TcpStream::connect(listening["address"].as_str().unwrap()).unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    server.kill().unwrap();
    let log = String::from_utf8(server.wait_with_output().unwrap().stderr).unwrap();
    (answer, log)
}

#[test]
fn a_redis_of_an_authority_that_is_trusted_is_used() {
    let authority = Authority::new("ours");
    let (_redis, url) = authority.redis(|address| address.to_string());
    let (answer, log) = ready(&url, &authority.file());
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}{log}");
}

#[test]
fn a_redis_that_can_not_be_trusted_is_refused_with_the_reason() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let (_redis, url) = authority.redis(|address| address.to_string());
    let (_elsewhere, elsewhere) = authority.redis(|_| "elsewhere.example".to_owned());
    for (url, trusted, reason) in
        [(url, other.file(), "nobody that is trusted"), (elsewhere, authority.file(), "another host")]
    {
        let (answer, log) = ready(&url, &trusted);
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("store_unavailable"), "{answer}");
        assert!(log.contains(reason) && !log.contains("elsewhere.example"), "{log}");
    }
}
