//! The processes of a measurement: a server, and the loaders that keep it busy.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::super::Build;
use super::super::others::{answering, free_address};
use super::super::scratch::Scratch;
use super::super::watched::Watched;
use crate::error::Error;
use crate::process::Program;

/// Which server is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Contender {
    Memory,
    Redis,
    Bare,
}

impl Contender {
    /// As the tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "sluice",
            Self::Redis => "sluice on Redis",
            Self::Bare => "bare axum",
        }
    }
}

/// What every measurement needs.
pub struct Bench {
    build: Build,
    home: PathBuf,
    /// Whether there is a Redis server to start.
    pub redis: bool,
}

/// A server and its store.
pub struct Server {
    pub contender: Contender,
    process: Watched,
    redis: Option<(Watched, SocketAddr)>,
    address: String,
}

/// What processes had used at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    at: Instant,
    pub server_cpu: f64,
    pub redis_cpu: f64,
    pub load_cpu: f64,
    /// MiB that the server has resident.
    pub server_mib: f64,
}

/// What was used between two marks.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    pub seconds: f64,
    pub server_cpu: f64,
    pub redis_cpu: f64,
    pub load_cpu: f64,
    /// MiB at the end.
    pub server_mib: f64,
}

impl Mark {
    /// What was used until `later`.
    pub fn until(&self, later: &Mark) -> Spent {
        Spent {
            seconds: (later.at - self.at).as_secs_f64(),
            server_cpu: later.server_cpu - self.server_cpu,
            redis_cpu: later.redis_cpu - self.redis_cpu,
            load_cpu: later.load_cpu - self.load_cpu,
            server_mib: later.server_mib,
        }
    }
}

impl Bench {
    pub fn new(scratch: &Scratch, build: Build) -> Result<Self, Error> {
        let redis = Program::new("redis-server").args(["--version"]).answer().is_some();
        Ok(Self { build, home: scratch.folder("home")?, redis })
    }

    /// Starts a fresh server that listens.
    pub fn start(&self, contender: Contender) -> Result<Server, Error> {
        let mut redis = None;
        let mut command = match contender {
            Contender::Bare => with_descriptors(self.build.program("examples/bare_axum")),
            Contender::Memory | Contender::Redis => {
                let mut command = with_descriptors(self.build.program("sluice"));
                command.args(["serve", "--json", "--listen", "127.0.0.1:0"]).args(UNLIMITED);
                command
            }
        };
        if contender == Contender::Redis {
            let address = free_address()?;
            let mut server = Command::new("redis-server");
            server.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
            server.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]).current_dir(&self.home);
            redis = Some((Watched::start(server, &self.home)?, address));
            answering(address)?;
            command.args(["--store", &format!("redis://{address}")]);
        }
        let mut process = Watched::start_with_input(command, &self.home)?;
        let (_, address) = process.find(|line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["event"] == "listening").then(|| event["address"].as_str().map(str::to_owned))?
        })?;
        Ok(Server { contender, process, redis, address })
    }

    /// Starts a loader; the first has number 0.
    pub fn load(&self, server: &Server, number: u8, load: &Value) -> Result<Loader, Error> {
        let options = json!({
            "server": server.address,
            // 127.0 and 127.1 are for others.
            "network": number + 2,
            "bare": server.contender == Contender::Bare,
            "load": load,
        });
        let mut command = with_descriptors(self.build.program("examples/load"));
        command.arg(options.to_string());
        Ok(Loader(Watched::start_with_input(command, &self.home)?))
    }
}

impl Server {
    /// What it and `loaders` have used until now.
    pub fn mark(&self, loaders: &[Loader]) -> Mark {
        let cpu = |process: &Watched| process.usage().cpu_seconds;
        Mark {
            at: Instant::now(),
            server_cpu: cpu(&self.process),
            redis_cpu: self.redis.as_ref().map_or(0.0, |(redis, _)| cpu(redis)),
            load_cpu: loaders.iter().map(|loader| cpu(&loader.0)).sum(),
            server_mib: self.process.resident_mib(),
        }
    }

    /// Whether what it should keep in Redis is there: else a figure would be that of another store.
    pub fn check_store(&self) -> Result<(), Error> {
        let Some((_, address)) = &self.redis else {
            return Ok(());
        };
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(b"DBSIZE\r\n")?;
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer)?;
            Ok(answer)
        };
        let answer = ask().map_err(|error| Error::Measure(format!("Redis does not answer: {error}")))?;
        let keys = answer.trim().strip_prefix(':').and_then(|keys| keys.parse::<u32>().ok());
        if keys.is_some_and(|keys| keys > 0) {
            Ok(())
        } else {
            Err(Error::Measure("Redis is empty".to_owned()))
        }
    }
}

/// A process full of peers.
pub struct Loader(Watched);

impl Loader {
    /// Waits until all is set up; what it says then.
    pub fn ready(&mut self) -> Result<Value, Error> {
        self.answer("ready")
    }

    /// Lets it go on.
    pub fn go(&mut self) -> Result<(), Error> {
        self.0.tell("go")
    }

    /// Waits until the measured part is over; what it measured.
    pub fn done(&mut self) -> Result<Value, Error> {
        self.answer("done")
    }

    fn answer(&mut self, name: &str) -> Result<Value, Error> {
        let (_, answer) = self.0.find(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line.get(name).cloned()
        })?;
        Ok(answer)
    }
}

/// `sluice serve` with limits for addresses that no loader meets: it plays thousands of people.
const UNLIMITED: [&str; 9] = [
    "--max-shares=10000",
    "--max-receivers=10000",
    "--max-connections=19900",
    "--shares-per-address=0",
    "--receivers-per-address=0",
    "--connections-per-address=0",
    "--creates-per-minute=0",
    "--joins-per-minute=0",
    "--messages-per-second=0",
];

/// `program` with as many file descriptors as this process may have.
fn with_descriptors(program: PathBuf) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -n "$(ulimit -H -n)" && exec "$0" "$@""#]).arg(program);
    command
}
