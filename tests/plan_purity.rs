//! Clippy denies what the plan may not use of the standard library: the lints and the lists of
//! `tests/plan_purity/`, beside code that breaks them.
#![allow(
    clippy::expect_used,
    reason = "clippy knows tests, but not the functions beside them"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A line of code that the plan may have.
const PURE: &str = "pub fn ports(all: &std::collections::BTreeMap<u16, std::time::Duration>) -> usize { all.len() }";

/// Lines of code that it may not have, and what the error names.
const IMPURE: [(&str, &str); 16] = [
    (
        "static A: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);",
        "std::sync::atomic::AtomicU8",
    ),
    (
        "static B: std::sync::atomic::AtomicIsize = std::sync::atomic::AtomicIsize::new(0);",
        "std::sync::atomic::AtomicIsize",
    ),
    (
        "pub fn c(shared: &std::sync::atomic::AtomicPtr<u8>) -> bool { std::mem::size_of_val(shared) > 0 }",
        "std::sync::atomic::AtomicPtr",
    ),
    (
        "static D: std::sync::Mutex<u8> = std::sync::Mutex::new(0);",
        "std::sync::Mutex",
    ),
    (
        "pub fn e(all: &std::collections::HashMap<u8, u8>) -> usize { all.len() }",
        "std::collections::HashMap",
    ),
    (
        "pub fn f(path: &std::path::Path) -> bool { path.exists() }",
        "std::path::Path::exists",
    ),
    (
        "pub fn g(path: &std::path::PathBuf) -> bool { path.is_file() }",
        "std::path::Path::is_file",
    ),
    (
        "pub fn h(path: &std::path::Path) -> bool { path.read_dir().is_ok() }",
        "std::path::Path::read_dir",
    ),
    (
        "pub fn i(path: &std::path::Path) -> bool { path.canonicalize().is_ok() }",
        "std::path::Path::canonicalize",
    ),
    (
        "pub fn j() -> std::path::PathBuf { std::env::temp_dir() }",
        "std::env::temp_dir",
    ),
    (
        "pub fn k() -> bool { std::env::current_exe().is_ok() }",
        "std::env::current_exe",
    ),
    (
        "pub fn l() -> bool { std::env::var(\"HOME\").is_ok() }",
        "std::env::var",
    ),
    (
        "pub fn m() { std::thread::scope(|_| {}); }",
        "std::thread::scope",
    ),
    (
        "pub fn n() { drop(std::thread::Builder::new()); }",
        "std::thread::Builder",
    ),
    (
        "pub fn o(since: std::time::Instant) -> bool { since.elapsed().is_zero() }",
        "std::time::Instant",
    ),
    ("pub fn p() { println!(\"seen\"); }", "println!"),
];

/// The lints of the crate that compiles the plan.
fn lints(crate_of_plan: &Path) -> String {
    let manifest = fs::read_to_string(crate_of_plan.join("Cargo.toml")).expect("its manifest");
    let (_, lints) = manifest.split_once("[lints.rust]").expect("its lints");
    let (lints, _) = lints.split_once("[dependencies]").expect("the end");
    format!("[lints.rust]{lints}")
}

/// The errors and warnings of clippy about a crate with this code and those lints, one a line.
fn complaints(code: &str) -> String {
    let crate_of_plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan_purity");
    let crate_of_test = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("plan_purity");
    fs::create_dir_all(crate_of_test.join("src")).expect("a directory");
    let manifest = format!(
        "[package]\nname = \"impure\"\nedition = \"2024\"\n[workspace]\n{}",
        lints(&crate_of_plan)
    );
    fs::write(crate_of_test.join("Cargo.toml"), manifest).expect("a manifest");
    fs::write(crate_of_test.join("src/lib.rs"), code).expect("code");
    let lists = crate_of_test.join("clippy.toml");
    fs::copy(crate_of_plan.join("clippy.toml"), lists).expect("the lists");
    let output = Command::new("cargo")
        .args(["clippy", "--offline", "--message-format", "short"])
        .current_dir(&crate_of_test)
        .env("CARGO_TARGET_DIR", crate_of_test.join("target"))
        .output()
        .expect("clippy to start");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn clippy_denies_what_is_not_pure() {
    let impure = IMPURE.map(|(code, _)| code).join("\n");
    let complaints = complaints(&format!("{impure}\n{PURE}\n"));
    let at = |line: usize| format!("src/lib.rs:{line}:");
    for (index, (code, name)) in IMPURE.iter().enumerate() {
        let at = at(index + 1);
        let mut about_it = complaints.lines().filter(|line| line.starts_with(&at));
        let is_denied = about_it.any(|line| line.contains("error: ") && line.contains(name));
        assert!(is_denied, "{code}\n{complaints}");
    }
    let of_pure = at(IMPURE.len() + 1);
    assert!(!complaints.contains(&of_pure), "{complaints}");
    // A name in a list that does not exist is only a warning.
    assert!(!complaints.contains("clippy.toml"), "{complaints}");
}
