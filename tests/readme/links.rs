//! Links of the documents, and the tests that the README names, exist.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::markdown::{Document, code_in};

const FILES: [&str; 6] = [
    "README.md",
    "README.zh-CN.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/install.md",
    "docs/runbook.md",
];

#[test]
fn each_link_has_its_target() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in FILES {
        let document = Document::read(file)?;
        for link in document.links.iter().filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let beside = Path::new(file).with_file_name(path);
            let path = if path.is_empty() {
                Path::new(file)
            } else {
                &beside
            };
            let path = path.to_str().context("a path")?;
            ensure!(
                root.join(path).exists(),
                "{file} links to {path}, which is not there"
            );
            if !anchor.is_empty() {
                let target = Document::read(path)?;
                ensure!(
                    target.has_anchor(anchor),
                    "{file}: {path} has no heading for #{anchor}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn each_guarantee_has_its_tests() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for row in Document::read("README.md")?.rows("name")? {
        for path in row[2].split(',').flat_map(code_in) {
            ensure!(root.join(path).exists(), "{}: no {path}", row[0]);
        }
    }
    Ok(())
}
