//! Redis for tests: one node or a cluster, started from the package that `cargo xtask setup` installs, on loopback
//! addresses of its own, with nothing kept. The server's tests own it; the journeys of whole processes in `tests/` take
//! it from here.
//!
//! Everything here blocks; a test with other things going on calls it from a thread for that.

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

// Far beyond what a node needs to start, or a cluster to agree.
const PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(20);
// Each node has an address of its own, so that ports need not be looked for.
const PORT: u16 = 7379;
// How long a node of a cluster is silent before the others count it as failed, in milliseconds.
const NODE_TIMEOUT: &str = "1000";

static NEXT: AtomicU8 = AtomicU8::new(1);

/// A running Redis, which ends with it.
pub struct Redis {
    nodes: Vec<Node>,
    clustered: bool,
    // Behind the nodes, which write into it.
    _directory: TempDir,
}

struct Node {
    address: Ipv4Addr,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Redis {
    /// One node.
    pub fn single() -> Self {
        Self::single_with(|_| Vec::new())
    }

    /// One node, with more arguments once its address is known.
    pub fn single_with(more: impl FnOnce(Ipv4Addr) -> Vec<String>) -> Self {
        let mut redis = Self::prepare(1, false);
        let Node { address, arguments, .. } = &mut redis.nodes[0];
        arguments.extend(more(*address));
        redis.start(0);
        redis
    }

    /// A cluster of three masters, each with a replica if it has `replicas`.
    pub fn cluster(replicas: bool) -> Self {
        let count = if replicas { 6 } else { 3 };
        let mut redis = Self::prepare(count, true);
        for node in 0..count {
            redis.start(node);
        }
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        create.args(redis.nodes.iter().map(|node| format!("{}:{PORT}", node.address)));
        create.args(["--cluster-replicas", if replicas { "1" } else { "0" }, "--cluster-yes"]);
        let created = create.output().unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        redis.await_cluster();
        redis
    }

    fn prepare(count: usize, clustered: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Two processes with the same number share none of their time, and nothing is bound for longer than a test.
        let [.., high, low] = std::process::id().to_be_bytes();
        let node = |index: usize| {
            let address = Ipv4Addr::new(127, 64 + high / 2, low, NEXT.fetch_add(1, Ordering::Relaxed));
            let home = directory.path().join(index.to_string());
            std::fs::create_dir(&home).unwrap();
            let (home, at) = (home.to_str().unwrap(), address.to_string());
            let port = PORT.to_string();
            let mut arguments = vec!["--bind", &at, "--port", &port, "--dir", home, "--logfile", "log"];
            // It knows one address as loopback, and lets nobody in from others.
            arguments.extend(["--save", "", "--appendonly", "no", "--protected-mode", "no"]);
            if clustered {
                // The others see it by the address that it connects from.
                arguments.extend(["--bind-source-addr", &at, "--cluster-announce-ip", &at]);
                arguments.extend(["--cluster-enabled", "yes", "--cluster-node-timeout", NODE_TIMEOUT]);
                arguments.extend(["--repl-diskless-sync-delay", "0"]);
            }
            let arguments = arguments.into_iter().map(str::to_owned).collect();
            Node { address, arguments, process: None }
        };
        Redis { nodes: (0..count).map(node).collect(), clustered, _directory: directory }
    }

    /// What a server is told to find it.
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(|node| format!("{}:{PORT}", node.address)).collect();
        let scheme = if self.clustered { "redis-cluster" } else { "redis" };
        format!("{scheme}://{}", addresses.join(","))
    }

    /// What a node answers to a command; nothing if it does not.
    pub fn ask(&self, node: usize, command: &[&str]) -> String {
        let address = self.nodes[node].address.to_string();
        let answer = Command::new("redis-cli")
            .args(["-h", &address, "-p", &PORT.to_string()])
            .args(command)
            .stderr(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&answer.stdout).trim().to_owned()
    }

    /// All keys there are.
    pub fn keys(&self) -> Vec<String> {
        let nodes = 0..self.nodes.len();
        nodes
            .flat_map(|node| self.ask(node, &["KEYS", "*"]).lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    /// From now on asks for a password, us too.
    pub fn demand_password(&self, password: &str) {
        for node in 0..self.nodes.len() {
            assert_eq!(self.ask(node, &["CONFIG", "SET", "requirepass", password]), "OK");
        }
    }

    /// Loses everything.
    pub fn flush(&self) {
        for node in 0..self.nodes.len() {
            self.ask(node, &["FLUSHALL"]);
        }
    }

    /// The node that has the slot of `key`.
    pub fn master_of(&self, key: &str) -> usize {
        if !self.clustered {
            return 0;
        }
        let is_master = |&node: &usize| {
            self.nodes[node].process.is_some()
                && self.ask(node, &["ROLE"]).starts_with("master")
                && self.ask(node, &["EXISTS", key]).parse::<u32>().is_ok()
        };
        (0..self.nodes.len()).find(is_master).expect("no node has the slot")
    }

    /// A replica of this master.
    pub fn replica_of(&self, master: usize) -> usize {
        let id = self.ask(master, &["CLUSTER", "MYID"]);
        let replicas = self.ask(master, &["CLUSTER", "REPLICAS", &id]);
        let is_replica = |&node: &usize| replicas.contains(&format!("{}:{PORT}@", self.nodes[node].address));
        (0..self.nodes.len()).find(is_replica).expect("the master has no replica")
    }

    /// Moves the slot of these keys from one master to another, as an operator does who adds a node.
    pub fn move_slot(&self, from: usize, to: usize, keys: &[String]) {
        let slot = self.ask(from, &["CLUSTER", "KEYSLOT", &keys[0]]);
        let id = |node| self.ask(node, &["CLUSTER", "MYID"]);
        let set = |node: usize, state: &str, other: &str| {
            assert_eq!(self.ask(node, &["CLUSTER", "SETSLOT", &slot, state, other]), "OK");
        };
        set(to, "IMPORTING", &id(from));
        set(from, "MIGRATING", &id(to));
        let (host, port) = (self.nodes[to].address.to_string(), PORT.to_string());
        let mut migrate = vec!["MIGRATE", &host, &port, "", "0", "5000", "KEYS"];
        migrate.extend(keys.iter().map(String::as_str));
        assert_eq!(self.ask(from, &migrate), "OK");
        set(to, "NODE", &id(to));
        set(from, "NODE", &id(to));
    }

    /// Ends a node's process, which can do nothing about it.
    pub fn kill(&mut self, node: usize) {
        if let Some(mut process) = self.nodes[node].process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts a node, again or for the first time, and waits until it answers.
    pub fn start(&mut self, node: usize) {
        let Node { arguments, process, .. } = &mut self.nodes[node];
        let started = Command::new("redis-server").args(arguments).stdout(Stdio::null()).spawn();
        *process = Some(started.expect("redis-server is not installed; `cargo xtask setup` does it"));
        self.wait("a node that answers", |redis| redis.ask(node, &["PING"]) == "PONG");
    }

    /// Stops a node in the middle of whatever it does; its connections stay.
    pub fn pause(&self, node: usize) {
        self.signal(node, "-STOP");
    }

    /// Lets it go on.
    pub fn resume(&self, node: usize) {
        self.signal(node, "-CONT");
    }

    /// Waits until the whole cluster works, with every replica in step.
    pub fn await_cluster(&self) {
        self.wait("a cluster that works", |redis| {
            let works = |(index, node): (usize, &Node)| {
                let role = || redis.ask(index, &["ROLE"]);
                node.process.is_none()
                    || redis.ask(index, &["CLUSTER", "INFO"]).contains("cluster_state:ok")
                        && (role().starts_with("master") || role().contains("connected"))
            };
            redis.nodes.iter().enumerate().all(works)
        });
    }

    /// Waits until `is_so`.
    pub fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
            std::thread::sleep(STEP);
        }
    }

    fn signal(&self, node: usize, signal: &str) {
        let process = self.nodes[node].process.as_ref().unwrap();
        let sent = Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        for node in 0..self.nodes.len() {
            self.kill(node);
        }
    }
}
