//! What is moved: the pieces of work that are measured, and what is to be reached with each.

/// Files of one size, for a number of receivers at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// As the command line names it.
    pub name: &'static str,
    /// As the table names it.
    pub title: &'static str,
    pub files: usize,
    /// Bytes of each file.
    pub size: u64,
    pub receivers: usize,
    /// The least part of the bare channel's speed.
    pub of_bare: Option<f64>,
    /// The least fastest-over-slowest time of receivers.
    pub fairness: Option<f64>,
    /// The most times rsync's time.
    pub of_rsync: Option<f64>,
}

/// Most MiB of memory that our sender may take, whatever it sends.
pub const SENDER_MIB: f64 = 150.0;

/// Most MiB of memory that our receiver may take.
pub const RECEIVER_MIB: f64 = 64.0;

const PLAIN: Work = Work {
    name: "",
    title: "",
    files: 1,
    size: 0,
    receivers: 1,
    of_bare: None,
    fairness: None,
    of_rsync: None,
};

/// Every piece of work.
pub const ALL: [Work; 3] = [
    Work { name: "file", title: "one file of 1 GiB", size: 1 << 30, of_bare: Some(0.8), ..PLAIN },
    Work {
        name: "small",
        title: "10,000 files of 4 KiB",
        files: 10_000,
        size: 4096,
        of_rsync: Some(2.0),
        ..PLAIN
    },
    Work {
        name: "twenty",
        title: "256 MiB to each of 20 receivers",
        size: 256 << 20,
        receivers: 20,
        of_bare: Some(0.75),
        fairness: Some(0.8),
        ..PLAIN
    },
];

impl Work {
    /// The same with less to move, for a look that takes seconds.
    pub fn quick(&self) -> Self {
        match self.name {
            "file" => Self { title: "one file of 64 MiB", size: 64 << 20, ..*self },
            "small" => Self { title: "1,000 files of 4 KiB", files: 1_000, ..*self },
            _ => Self { title: "8 MiB to each of 20 receivers", size: 8 << 20, ..*self },
        }
    }

    /// Bytes that each receiver gets.
    pub fn bytes_each(&self) -> u64 {
        self.size * self.files as u64
    }

    /// Bytes that all receivers get together.
    pub fn bytes(&self) -> u64 {
        self.bytes_each() * self.receivers as u64
    }
}
