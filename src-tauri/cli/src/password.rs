//! Where a password comes from: a file, the environment, or the person at the terminal.

use console::Term;
use sluice_engine::error::EngineError;
use sluice_protocol::error::Code;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::Path;

const VARIABLE: &str = "SLUICE_PASSWORD";
const MAX_LEN: u64 = 4096;

/// The password of the file, or else of the environment.
///
/// # Errors
/// The file can't be read or has no first line.
pub fn given(file: Option<&Path>) -> Result<Option<String>, EngineError> {
    match file {
        Some(path) => first_line(path).map(Some),
        None => Ok(std::env::var(VARIABLE).ok().filter(|password| !password.is_empty())),
    }
}

/// Asks at the terminal, without showing what is typed.
///
/// # Errors
/// [`Code::PasswordNeeded`] if there is no terminal or nothing was typed.
pub fn ask(question: &str) -> Result<String, EngineError> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Code::PasswordNeeded.into());
    }
    let term = Term::stderr();
    let answer = term.write_str(question).and_then(|()| term.read_secure_line());
    match answer {
        Ok(password) if !password.is_empty() => Ok(password),
        _ => Err(Code::PasswordNeeded.into()),
    }
}

fn first_line(path: &Path) -> Result<String, EngineError> {
    let failed = |detail: String| EngineError::Detailed {
        code: Code::PasswordNeeded,
        detail: format!("{}: {detail}", path.display()),
    };
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut line = String::new();
    BufReader::new(file.take(MAX_LEN)).read_line(&mut line).map_err(|error| failed(error.to_string()))?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() { Err(failed("the first line is empty".to_owned())) } else { Ok(line.to_owned()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_files_first_line_is_the_password() {
        let path = std::env::temp_dir().join(format!("sluice-password-{}", std::process::id()));
        std::fs::write(&path, " a b \r\nrest").unwrap();
        assert_eq!(given(Some(&path)).unwrap().unwrap(), " a b ");
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(given(Some(&path)).unwrap_err().code(), Code::PasswordNeeded);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(given(Some(&path)).unwrap_err().code(), Code::PasswordNeeded);
    }
}
