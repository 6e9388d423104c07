//! The address of the runbook in the `runbook_url` of every alert.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

const LINK: &str = "runbook_url: ";

/// Replaces the address, in the rules and in their tests.
pub fn set_address(repository: &Path, new: &str) -> Result<()> {
    let is_link = new.starts_with("https://") || new.starts_with("http://");
    ensure!(
        is_link && !new.contains(|sign: char| sign == '#' || sign.is_whitespace()),
        "{new} is not the http or https address of a page"
    );
    let old = address(repository)?;
    for path in files(repository)? {
        let text = std::fs::read_to_string(&path)?;
        let text = text.replace(&format!("{LINK}{old}#"), &format!("{LINK}{new}#"));
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// The part before the `#` of all links in `deploy/monitoring/rules.yaml`.
fn address(repository: &Path) -> Result<String> {
    let text = std::fs::read_to_string(repository.join("deploy/monitoring/rules.yaml"))?;
    let links = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(LINK));
    let mut addresses: Vec<_> = links
        .filter_map(|link| Some(link.split_once('#')?.0))
        .collect();
    addresses.dedup();
    let [address] = addresses[..] else {
        anyhow::bail!("the alerts must link to one address of the runbook, not to {addresses:?}");
    };
    Ok(address.to_owned())
}

fn files(repository: &Path) -> Result<Vec<PathBuf>> {
    let directory = repository.join("deploy/monitoring");
    let mut files = vec![directory.join("rules.yaml")];
    for test in std::fs::read_dir(directory.join("tests"))? {
        files.push(test?.path());
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository;

    #[test]
    fn set_address_changes_every_link() {
        let copy = tempfile::tempdir().unwrap();
        let copy = copy.path();
        std::fs::create_dir_all(copy.join("deploy/monitoring/tests")).unwrap();
        for path in files(&repository()).unwrap() {
            let inside = path.strip_prefix(repository()).unwrap();
            std::fs::copy(&path, copy.join(inside)).unwrap();
        }
        let old = address(copy).unwrap();
        let new = "https://git.example.org/ours/runbook.md";
        set_address(copy, new).unwrap();
        assert_eq!(address(copy).unwrap(), new);
        for path in files(copy).unwrap() {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains(&old), "{}", path.display());
        }
        for wrong in ["runbook.md", "https://a/b#c", "https://a/b c"] {
            assert!(set_address(copy, wrong).is_err(), "{wrong}");
        }
    }
}
