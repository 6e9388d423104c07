//! The files that `docs/install.md` lets its readers write, taken from there: kustomize and helm
//! read them, and a real API server takes what they give.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use my_cloud_controller_manager::args::Args;
use my_cloud_controller_manager::config::Config;
use testbed::{ControlPlane, Packaging, repository_path};

use super::rendered::{objects, template};

/// The blocks that begin with the name of their file, as in `# mine/config.yaml`.
fn files() -> Result<Vec<(String, String)>> {
    let document = std::fs::read_to_string(repository_path("docs/install.md"))?;
    let blocks = document.split("```yaml\n# mine/").skip(1);
    let files = blocks.map(|block| {
        let (name, rest) = block.split_once('\n')?;
        let (text, _) = rest.split_once("```")?;
        Some((name.to_owned(), text.to_owned()))
    });
    files.collect::<Option<_>>().context("blocks with an end")
}

/// Writes them into a directory where `../deploy` is what it is in the document.
fn written() -> Result<tempfile::TempDir> {
    let clone = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    copy(&repository_path("deploy"), &clone.path().join("deploy"))?;
    let files = files()?;
    ensure!(
        files.len() == 6,
        "{:?}",
        files.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    for (name, text) in files {
        let path = clone.path().join("mine").join(name);
        std::fs::create_dir_all(path.parent().context("a directory")?)?;
        std::fs::write(path, text)?;
    }
    Ok(clone)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            std::fs::copy(source, target)?;
        }
    }
    Ok(())
}

#[test]
fn the_documented_configuration_is_one() -> Result<()> {
    let clone = written()?;
    let args = Args {
        config: Some(clone.path().join("mine/config.yaml")),
        ..Args::default()
    };
    ensure!(Config::load(&args)?.clouds.len() == 2);
    Ok(())
}

#[tokio::test]
async fn the_documented_files_give_objects_that_the_api_server_takes() -> Result<()> {
    let packaging = Packaging::find().await?;
    let control_plane = ControlPlane::shared().await?;
    let clone = written()?;
    let mine = clone.path().join("mine");
    for directory in ["", "https", "ports"] {
        let manifests = packaging.kustomize(&mine.join(directory)).await?;
        control_plane
            .validate(&manifests)
            .await
            .context(directory)?;
        if directory.is_empty() {
            ensure!(manifests.contains("image: REGISTRY/my-cloud-controller-manager:0.1.0"));
        }
    }
    for values in [
        ["values.yaml"].as_slice(),
        &["values.yaml", "values-https.yaml"],
    ] {
        let files = values
            .iter()
            .map(|name| mine.join(name).display().to_string());
        let arguments: Vec<String> = files
            .flat_map(|file| ["--values".to_owned(), file])
            .collect();
        let manifests = template(&packaging, "kube-system", &arguments).await?;
        let taken = control_plane.validate(&manifests).await?;
        ensure!(taken.len() == objects(&manifests)?.len(), "{values:?}");
    }
    Ok(())
}
