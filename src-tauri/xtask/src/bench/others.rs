//! Other programs for the same work, where they are installed; each serves from this machine to itself.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::scratch::Scratch;
use super::watched::Watched;
use super::work::Work;
use super::{Contender, Sample, Usage};
use crate::error::Error;
use crate::process::Program;

/// How long a daemon may take until it answers, and until it has seen its children off.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where an SSH server is installed, which is on no ordinary user's search path.
const SSHD: &str = "/usr/sbin/sshd";

/// Where a server that root starts shuts its children in; Debian's service makes it, at its own start.
const SSHD_SEPARATION: &str = "/run/sshd";

/// What there is to measure here, and the names of what is not installed.
pub fn installed() -> (Vec<Contender>, Vec<&'static str>) {
    let mut contenders = vec![Contender::Ours, Contender::Bare];
    let mut missing = Vec::new();
    let mut add = |there: bool, contender: Contender, name| match there {
        true => contenders.push(contender),
        false => missing.push(name),
    };
    let answers = |name: &str| Program::new(name).args(["--version"]).answer().is_some();
    add(answers("rsync"), Contender::Rsync, "rsync");
    add(Path::new(SSHD).exists() && on_path("scp"), Contender::Scp, "scp with an SSH server");
    add(answers("sendme"), Contender::Sendme, "sendme");
    (contenders, missing)
}

/// An rsync daemon on a port of its own, with one client a receiver.
pub fn rsync(work: &Work, scratch: &Scratch) -> Result<Sample, Error> {
    let home = scratch.folder("rsync")?;
    let settings = home.join("rsyncd.conf");
    let id = Program::new("id").arg("-u").output()?;
    // As root it would read as nobody, who may not.
    let user = if id.trim_ascii() == b"0" { "uid = 0\ngid = 0\n" } else { "" };
    let path = scratch.source();
    let text = format!("use chroot = no\n{user}[source]\npath = {}\nread only = yes\n", path.display());
    write(&settings, &text)?;

    let address = free_address()?;
    let port = format!("--port={}", address.port());
    let mut daemon = Command::new("rsync");
    daemon.args(["--daemon", "--no-detach", "--address=127.0.0.1", &port]);
    daemon.arg(format!("--config={}", settings.display())).arg("--log-file=/dev/null");
    let daemon = Watched::start(daemon, &home)?;
    answering(address)?;
    let url = format!("rsync://127.0.0.1:{}/source/", address.port());
    let mut sample = receive(work, scratch, &home, |out| {
        let mut client = Command::new("rsync");
        client.args(["--archive", &url]).arg(out);
        client
    })?;
    sample.sender.cpu_seconds = daemon_seconds(&daemon);
    Ok(sample)
}

/// An SSH server on a port of its own with keys of its own, with one `scp` a receiver.
pub fn scp(work: &Work, scratch: &Scratch) -> Result<Sample, Error> {
    let home = scratch.folder("ssh")?;
    for key in ["host", "user"] {
        let path = home.join(key);
        if !path.exists() {
            let words = ["-q", "-t", "ed25519", "-N", "", "-f"];
            Program::new("ssh-keygen").args(words).arg(&path).output()?;
        }
    }
    let address = free_address()?;
    let at = |name: &str| home.join(name).display().to_string();
    let settings = format!(
        "ListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
         StrictModes no\nMaxStartups 100\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n",
        at("host"),
        at("user.pub"),
    );
    write(&home.join("sshd_config"), &settings)?;
    let id = Program::new("id").arg("-u").output()?;
    if id.trim_ascii() == b"0" {
        let made = fs::create_dir_all(SSHD_SEPARATION);
        made.map_err(|source| Error::File { path: SSHD_SEPARATION.into(), source })?;
    }
    let mut daemon = Command::new(SSHD);
    daemon.args(["-D", "-e", "-f"]).arg(home.join("sshd_config"));
    let daemon = Watched::start(daemon, &home)?;
    answering(address)?;
    let user = Program::new("id").arg("-un").output()?;
    let user = String::from_utf8_lossy(&user).trim().to_owned();
    let mut sample = receive(work, scratch, &home, |out| {
        let mut client = Command::new("scp");
        client.args(["-q", "-r", "-F", "/dev/null", "-o", "StrictHostKeyChecking=no"]);
        client.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]);
        client.args(["-P", &address.port().to_string(), "-i"]).arg(home.join("user"));
        client.arg(format!("{user}@127.0.0.1:{}/.", scratch.source().display())).arg(out);
        client
    })?;
    sample.sender.cpu_seconds = daemon_seconds(&daemon);
    Ok(sample)
}

/// `sendme`, which reads all before it has a ticket; that time is not counted.
pub fn sendme(work: &Work, scratch: &Scratch) -> Result<Sample, Error> {
    let home = scratch.folder("sendme")?;
    let mut send = Command::new("sendme");
    send.args(["send", "--relay", "disabled"]).arg(scratch.source()).current_dir(&home);
    let mut sender = Watched::start(send, &home)?;
    let ticket = |line: &str| {
        let words = line.split_whitespace();
        words.last().filter(|word| word.starts_with("blob")).map(str::to_owned)
    };
    let (_, ticket) = sender.find(ticket)?;
    let mut sample = receive_into(work, scratch, &home, "source", |out| {
        let mut client = Command::new("sendme");
        client.args(["receive", "--relay", "disabled", &ticket]).current_dir(out);
        client
    })?;
    sample.sender.cpu_seconds = sender.usage().cpu_seconds;
    Ok(sample)
}

fn receive(
    work: &Work,
    scratch: &Scratch,
    home: &Path,
    client: impl Fn(&Path) -> Command,
) -> Result<Sample, Error> {
    receive_into(work, scratch, home, "", client)
}

/// Runs a client for each receiver and checks what arrived in the folder `below` its own.
fn receive_into(
    work: &Work,
    scratch: &Scratch,
    home: &Path,
    below: &str,
    client: impl Fn(&Path) -> Command,
) -> Result<Sample, Error> {
    let started = Instant::now();
    let mut clients = Vec::new();
    for number in 0..work.receivers {
        let out = scratch.folder(&format!("theirs-{number}"))?;
        let client = Watched::start(client(&out), home)?;
        clients.push((out, client));
    }
    let mut times = Vec::new();
    let mut cpu_seconds = 0.0;
    let mut outs: Vec<PathBuf> = Vec::new();
    for (out, client) in clients {
        let began = client.started;
        let (ended, usage) = client.end()?;
        times.push((ended - began).as_secs_f64());
        cpu_seconds += usage.cpu_seconds;
        outs.push(out);
    }
    let whole = started.elapsed().as_secs_f64();
    for out in outs {
        scratch.check(&out.join(below), work)?;
    }
    let fastest = times.iter().copied().fold(f64::INFINITY, f64::min);
    let slowest = times.iter().copied().fold(0.0, f64::max);
    // Their memory is spread over several processes, of which only one would be seen.
    let receivers = Usage { cpu_seconds, peak_mib: 0.0 };
    Ok(Sample { whole, moving: whole, sender: Usage::default(), receivers, fairness: fastest / slowest })
}

/// What a daemon and its children have used, once it has none left.
fn daemon_seconds(daemon: &Watched) -> f64 {
    let deadline = Instant::now() + PATIENCE;
    while daemon.has_children() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    daemon.usage().cpu_seconds
}

/// An address on this machine that nobody listens at.
pub fn free_address() -> Result<SocketAddr, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|source| Error::Start { program: "a listener".to_owned(), source })
}

/// Waits until somebody listens at `address`.
pub fn answering(address: SocketAddr) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err(Error::Measure(format!("nobody answers at {address}")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::File { path: path.into(), source })
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
