//! `src/plan` is pure: it cannot wait, read a clock, do input or output, or
//! answer differently for the same question. Held here, because nothing else
//! would notice the first exception.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// What makes a function wait, look around, or differ from one call to the next.
const FORBIDDEN: [&str; 31] = [
    "kube",
    "k8s_openapi",
    "tokio",
    "futures",
    "reqwest",
    "http",
    "tracing",
    "log",
    "println",
    "eprintln",
    "print",
    "eprint",
    "dbg",
    "async",
    "await",
    "Instant",
    "SystemTime",
    "time",
    "thread",
    "sync",
    "fs",
    "io",
    "env",
    "process",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    // Their order is random.
    "HashMap",
    "HashSet",
    // What they say of equality and order does not hold for all their values.
    "f32",
    "f64",
];

/// The only names of `std::sync` and `std::time` that are pure, with what stands for them
/// below: what an `Arc` shares cannot change, and a `Duration` is a number.
const PURE: [(&str, &str); 2] = [
    ("std::sync::Arc", "std::Arc"),
    ("std::time::Duration", "std::Duration"),
];

/// What an import may start with, beside the plan's own modules.
const ALLOWED_ROOTS: [&str; 7] = ["std", "serde", "sha2", "strsim", "crate", "super", "self"];

#[test]
fn the_plan_names_nothing_impure() -> io::Result<()> {
    let files = source_files()?;
    assert!(files.len() > 5, "src/plan was not found: {files:?}");
    let modules: Vec<&str> = files.iter().filter_map(|file| stem(file)).collect();
    let roots = [&ALLOWED_ROOTS, modules.as_slice()].concat();
    let mut offences = Vec::new();
    for file in &files {
        offences.extend(offences_in(file, &roots)?);
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
    Ok(())
}

/// All of them, the tests too: what they need is as pure.
fn source_files() -> io::Result<Vec<PathBuf>> {
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan")];
    let mut files = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn stem(file: &Path) -> Option<&str> {
    file.file_stem()?.to_str()
}

fn offences_in(file: &Path, roots: &[&str]) -> io::Result<Vec<String>> {
    let source = fs::read_to_string(file)?;
    let code = code_of(&source);
    let offences = code.lines().zip(1..).flat_map(|(line, number)| {
        let of_line = offences_of(line, roots).into_iter();
        of_line.map(move |offence| format!("{}:{number}: {offence}", file.display()))
    });
    Ok(offences.collect())
}

fn offences_of(line: &str, roots: &[&str]) -> Vec<String> {
    let replace = |line: String, (name, pure): &(&str, &str)| line.replace(name, pure);
    let line = PURE.iter().fold(line.to_owned(), replace);
    let line = line.as_str();
    let mut offences: Vec<String> = words(line)
        .filter(|word| FORBIDDEN.contains(word))
        .map(|word| format!("`{word}` has no place here"))
        .collect();
    let after_crate = words(line).skip_while(|word| *word != "crate").nth(1);
    if let Some(module) = after_crate.filter(|module| *module != "plan") {
        offences.push(format!("our own `{module}` has no place here"));
    }
    if has_float(line) {
        offences.push("a floating point number has no place here".into());
    }
    let used = line.trim_start().trim_start_matches("pub ");
    if let Some(path) = used.strip_prefix("use ") {
        let root = words(path).next().unwrap_or_default();
        if !roots.contains(&root) {
            offences.push(format!("nothing of `{root}` is needed here"));
        }
    }
    offences
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
}

/// A digit, a point, a digit; not the second index of `pair.0.1`.
fn has_float(line: &str) -> bool {
    line.match_indices('.').any(|(point, _)| {
        let before = line[..point].trim_end_matches(|letter: char| letter.is_ascii_digit());
        let starts_number =
            before.len() < point && !before.ends_with(|l: char| l.is_alphanumeric() || l == '.');
        starts_number && line[point + 1..].starts_with(|letter: char| letter.is_ascii_digit())
    })
}

/// The source without comments and without what is inside of string literals;
/// its lines keep their numbers.
fn code_of(source: &str) -> String {
    let mut code = String::new();
    let mut letters = source.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '/' if letters.peek() == Some(&'/') => {
                while letters.next_if(|next| *next != '\n').is_some() {}
            }
            '"' => {
                while let Some(inside) = letters.next() {
                    match inside {
                        '"' => break,
                        '\\' => code.extend(letters.next().filter(|escaped| *escaped == '\n')),
                        '\n' => code.push('\n'),
                        _ => {}
                    }
                }
            }
            _ => code.push(letter),
        }
    }
    code
}

#[test]
fn impurity_is_seen_in_code_and_only_there() {
    let impure = [
        "let now = std::time::Instant::now();",
        "use kube::Client;",
        "pub use chrono::Utc;",
        "use crate::cloud::Cloud;",
        "let seen: HashMap<u8, u8>;",
        "let share = 0.5;",
        "async fn plan() {}",
        "use std::sync::{Arc, Mutex};",
        "use std::sync::atomic::AtomicU8;",
    ];
    for line in impure {
        assert!(
            !offences_of(&code_of(line), &ALLOWED_ROOTS).is_empty(),
            "{line}"
        );
    }
    let pure = [
        "use std::collections::BTreeMap;",
        "use crate::plan::Plan;",
        "use std::sync::Arc;",
        "/// Never reads a clock such as Instant; see `kube`.",
        "let rule = \"tokio \\\" 1.5\";",
        "let kubernetes = pair.0.1;",
        "Protocol::Tcp => 0..=9,",
    ];
    for line in pure {
        assert_eq!(
            offences_of(&code_of(line), &ALLOWED_ROOTS),
            [""; 0],
            "{line}"
        );
    }
}
