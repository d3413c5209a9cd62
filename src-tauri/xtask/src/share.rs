//! A `sluice send` that runs beside what this program does, and its links.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::error::Error;

/// A share, which ends when this is dropped.
pub struct Share {
    sender: Child,
    /// For browsers and for `sluice receive`.
    pub link: String,
    /// For the desktop app.
    pub deep_link: String,
}

impl Share {
    /// Runs `sender`, which is a `sluice send --json` of whatever system, until it has said its links.
    pub fn start(mut sender: Command) -> Result<Self, Error> {
        let name = sender.get_program().to_string_lossy().into_owned();
        let failed = |source| Error::Start { program: name.clone(), source };
        let mut sender = sender.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().map_err(failed)?;
        let told = sender.stdout.take();
        // From here on it ends when this function does.
        let mut share = Share { sender, link: String::new(), deep_link: String::new() };
        let mut line = String::new();
        if let Some(told) = told {
            let mut told = BufReader::new(told);
            told.read_line(&mut line).map_err(failed)?;
            // What it tells later must go somewhere.
            std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
        }
        let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        match (event["link"].as_str(), event["deep_link"].as_str()) {
            (Some(link), Some(deep)) => (share.link, share.deep_link) = (link.into(), deep.into()),
            _ => return Err(Error::Measure(format!("`sluice send` told of no link: {line:?}"))),
        }
        Ok(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // It is gone already, or ends now.
        let _ = self.sender.kill();
        let _ = self.sender.wait();
    }
}
