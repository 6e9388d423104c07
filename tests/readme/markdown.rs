//! The parts of a Markdown file that can be compared: headings, tables, code, links.

use anyhow::{Context, Result};

/// A Markdown file.
#[derive(Default)]
pub struct Document {
    /// Each heading with its number signs.
    pub headings: Vec<String>,
    /// Each table, without the line below its header.
    pub tables: Vec<Table>,
    /// Each block of code, its first line with the language included.
    pub code: Vec<String>,
    /// The target of each link and image.
    pub links: Vec<String>,
}

/// A table: rows of cells, the header first.
pub type Table = Vec<Vec<String>>;

impl Document {
    /// Reads a file of the repository.
    pub fn read(path: &str) -> Result<Self> {
        let root = env!("CARGO_MANIFEST_DIR");
        let text = std::fs::read_to_string(format!("{root}/{path}"));
        Ok(Self::parse(&text.with_context(|| path.to_owned())?))
    }

    fn parse(text: &str) -> Self {
        let mut document = Self::default();
        let mut in_code = false;
        let mut in_table = false;
        for line in text.lines() {
            let trimmed = line.trim_start();
            let is_fence = trimmed.starts_with("```");
            if is_fence || in_code {
                if is_fence && !in_code {
                    document.code.push(String::new());
                }
                if let Some(block) = document.code.last_mut() {
                    block.push_str(line);
                    block.push('\n');
                }
                in_code ^= is_fence;
                continue;
            }
            if let Some(row) = trimmed.strip_prefix('|') {
                document.push_row(row, in_table);
            } else if trimmed.starts_with('#') {
                document.headings.push(trimmed.to_owned());
            }
            in_table = trimmed.starts_with('|');
            document.links.extend(links(line));
        }
        document
    }

    fn push_row(&mut self, row: &str, in_table: bool) {
        if !in_table {
            self.tables.push(Table::new());
        }
        let cells = row.trim_end().trim_end_matches('|').split('|');
        let cells: Vec<String> = cells.map(|cell| cell.trim().to_owned()).collect();
        let is_rule = cells.iter().all(|cell| cell.trim_matches('-').is_empty());
        let is_below_header = self.tables.last().is_some_and(|table| table.len() == 1);
        if let Some(table) = self.tables.last_mut()
            && !(is_rule && is_below_header)
        {
            table.push(cells);
        }
    }

    /// The rows, without the header, of the table whose first column has this header.
    pub fn rows(&self, header: &str) -> Result<&[Vec<String>]> {
        let is_it = |table: &&Table| table.first().is_some_and(|row| row[0] == header);
        let table = self.tables.iter().find(is_it);
        Ok(&table.with_context(|| format!("no table of the column {header:?}"))?[1..])
    }

    /// Whether a link to `#anchor` finds a heading.
    pub fn has_anchor(&self, anchor: &str) -> bool {
        self.headings.iter().any(|heading| slug(heading) == anchor)
    }
}

/// The texts in backticks.
pub fn code_in(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn links(line: &str) -> impl Iterator<Item = String> {
    let ends = line.split("](").skip(1);
    ends.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
}

/// The anchor that a renderer gives a heading.
fn slug(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = title
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}
