//! The security page: every test that it names as a proof is there.

use crate::files::{self, File};
use crate::holds;

const PAGE: &str = "docs/security.md";

/// The names in the last column of the page's table.
fn proofs(page: &str) -> Vec<&str> {
    let rows = page.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | "));
    rows.flat_map(|(_, tests)| tests.split('`').skip(1).step_by(2)).collect()
}

fn unproven(page: &str, code: &[File]) -> Vec<String> {
    let is_test = |name: &str| {
        let head = format!("fn {name}(");
        code.iter().any(|file| file.is("rs") && file.text.contains(&head))
    };
    proofs(page)
        .into_iter()
        .filter(|name| !is_test(name))
        .map(|name| format!("{PAGE} names the test {name}, which is not there"))
        .collect()
}

#[test]
fn every_claim_about_security_has_its_tests() {
    let files = files::all();
    let page = files.iter().find(|file| file.path == PAGE).unwrap();
    assert!(proofs(&page.text).len() > 30);
    holds(unproven(&page.text, &files));

    let code = File { path: "a.rs".into(), text: "#[test]\nfn there() {}".into() };
    let complaints = unproven("| claim | `there`, `gone` |", &[code]);
    assert_eq!(complaints, ["docs/security.md names the test gone, which is not there"]);
}
