//! Each row of the tables of the README is named by a test.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::markdown::{Document, code_in};

/// The first columns of the tables whose rows have names of the program in them.
const TABLES: [&str; 6] = ["annotation", "changed", "reason", "Event", "field", "flag"];
/// Where a module of tests begins in a file of the program.
const TESTS: &str = "#[cfg(test)]\nmod ";

/// That a name is there proves little, and that it is not there proves that a test is missing.
#[test]
fn each_row_of_the_tables_is_named_by_a_test() -> Result<()> {
    let text = text_of_tests()?;
    let english = Document::read("README.md")?;
    let mut missing = Vec::new();
    for table in TABLES {
        for row in english.rows(table)? {
            // One of several names of a flag is enough.
            let names = code_in(&row[0]).into_iter().map(last_part);
            if !names.clone().any(|name| is_in(&text, name)) {
                missing.push(names.collect::<Vec<_>>().join(", "));
            }
        }
    }
    ensure!(missing.is_empty(), "no test names {missing:?}");
    Ok(())
}

/// Of `clouds[].name`, what stands in a file.
fn last_part(name: &str) -> &str {
    name.rsplit_once("[].").map_or(name, |(_, last)| last)
}

/// Whether the whole word is there.
fn is_in(text: &str, name: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

/// The integration tests but this one, the modules of unit tests, and what starts the
/// program in tests, with most flags.
fn text_of_tests() -> Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    let mut left = ["tests", "testbed/src/replica.rs", "src"]
        .map(|name| root.join(name))
        .to_vec();
    while let Some(path) = left.pop() {
        let name = path.strip_prefix(root)?.display().to_string();
        if path.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        } else if name.ends_with(".rs") && !name.contains("/readme") {
            let content = std::fs::read_to_string(&path).context(name.clone())?;
            let is_program = name.starts_with("src/");
            let is_test = name.contains("/tests/") || name.ends_with("/tests.rs");
            text += match is_program && !is_test {
                true => content.split_once(TESTS).map_or("", |(_, tests)| tests),
                false => &content,
            };
        }
    }
    Ok(text)
}
