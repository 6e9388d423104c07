//! The two READMEs contain the same tables, sections, examples and links.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::markdown::{Document, code_in};

const ENGLISH: &str = "README.md";
const CHINESE: &str = "README.zh-CN.md";

#[test]
fn both_readmes_have_the_same_tables() -> Result<()> {
    let (english, chinese) = (Document::read(ENGLISH)?, Document::read(CHINESE)?);
    ensure!(english.tables.len() == chinese.tables.len());
    for (one, other) in english.tables.iter().zip(&chinese.tables) {
        let about = &one[0];
        ensure!(one.len() == other.len(), "{about:?}: number of rows");
        for (row, translated) in one.iter().zip(other) {
            ensure!(row.len() == translated.len(), "{row:?}: number of cells");
            for (cell, translated) in row.iter().zip(translated) {
                let (mut code, mut translated_code) = (code_in(cell), code_in(translated));
                // The order of words differs between the languages.
                code.sort_unstable();
                translated_code.sort_unstable();
                ensure!(code == translated_code, "{cell:?} and {translated:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn both_readmes_have_the_same_sections_examples_and_links() -> Result<()> {
    let (english, chinese) = (Document::read(ENGLISH)?, Document::read(CHINESE)?);
    let levels = |document: &Document| -> Vec<usize> {
        let headings = document.headings.iter();
        headings
            .map(|heading| heading.split(' ').next().map_or(0, str::len))
            .collect()
    };
    ensure!(levels(&english) == levels(&chinese), "headings");
    // The drawing (```text) has words.
    let examples = |document: &Document| -> Vec<String> {
        let code = document.code.iter();
        code.filter(|block| !block.contains("```text"))
            .cloned()
            .collect()
    };
    ensure!(examples(&english) == examples(&chinese), "examples");
    let links = |document: &Document| -> BTreeSet<String> {
        let links = document.links.iter();
        links
            .filter(|link| !link.starts_with("README") && !link.starts_with('#'))
            .cloned()
            .collect()
    };
    ensure!(links(&english) == links(&chinese), "links");
    Ok(())
}
