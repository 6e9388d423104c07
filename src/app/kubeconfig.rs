//! The way to the API server: a kubeconfig, as kubectl finds it, or the pod's ServiceAccount.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use kube::config::{KubeConfigOptions, Kubeconfig};

use super::AppError;
use crate::error_chain::with_causes;

/// Stands for "no proxy". Without any `proxy-url`, kube reads `HTTPS_PROXY`, which is for
/// the clouds: a proxy to the outside seldom leads to the API server.
const NO_PROXY: &str = "http://no-proxy.invalid";

/// The configuration from this kubeconfig file; without one, from the files of `KUBECONFIG`
/// that exist, from `~/.kube/config`, or from the pod.
///
/// # Errors
/// A file is invalid, demands a proxy, or is missing although it was named alone; or there
/// is no file and this is no pod.
pub(super) async fn client_config(file: Option<&Path>) -> Result<kube::Config, AppError> {
    let variable = std::env::var_os("KUBECONFIG");
    let files = match file {
        Some(file) => vec![file.to_owned()],
        None => candidates(variable.as_deref(), std::env::home_dir())
            .into_iter()
            .filter(|file| file.exists())
            .collect(),
    };
    if files.is_empty() {
        return in_cluster();
    }
    let mut merged = Kubeconfig::default();
    for file in &files {
        let read = Kubeconfig::read_from(file).and_then(|next| merged.merge(next));
        merged = read.map_err(|error| invalid(&files, &error))?;
    }
    without_proxy(merged, &files).await
}

/// The files that kubectl would read, if they exist.
fn candidates(variable: Option<&OsStr>, home: Option<PathBuf>) -> Vec<PathBuf> {
    let named = std::env::split_paths(variable.unwrap_or_default());
    let named: Vec<PathBuf> = named.filter(|file| !file.as_os_str().is_empty()).collect();
    if named.is_empty() {
        return home
            .map(|home| home.join(".kube/config"))
            .into_iter()
            .collect();
    }
    named
}

fn in_cluster() -> Result<kube::Config, AppError> {
    let config = kube::Config::incluster();
    let mut config = config.map_err(|error| {
        let error = with_causes(&error);
        let hint = "outside a cluster, pass --kubeconfig, or set KUBECONFIG to a file that exists";
        AppError::KubernetesConfig(format!("{error} ({hint})"))
    })?;
    config.apply_debug_overrides();
    Ok(config)
}

async fn without_proxy(mut file: Kubeconfig, files: &[PathBuf]) -> Result<kube::Config, AppError> {
    let clusters = file.clusters.iter_mut();
    for cluster in clusters.filter_map(|named| named.cluster.as_mut()) {
        let proxy = cluster.proxy_url.get_or_insert_default();
        if proxy.is_empty() {
            *proxy = NO_PROXY.to_owned();
        }
    }
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|error| invalid(files, &error))?;
    let proxy = config.proxy_url.take().map(|proxy| proxy.to_string());
    if proxy.is_some_and(|proxy| proxy.trim_end_matches('/') != NO_PROXY) {
        let text = "the cluster has a proxy-url, which is not supported: remove it, and let the server be an address that is reached without a proxy";
        return Err(AppError::KubernetesConfig(format!(
            "{}: {text}",
            names(files)
        )));
    }
    Ok(config)
}

fn invalid(files: &[PathBuf], error: &kube::config::KubeconfigError) -> AppError {
    AppError::KubernetesConfig(format!("{}: {}", names(files), with_causes(error)))
}

fn names(files: &[PathBuf]) -> String {
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_cluster(cluster: &str) -> String {
        format!(
            "clusters: [{{name: a, cluster: {cluster}}}]
users: [{{name: a, user: {{}}}}]
contexts: [{{name: a, context: {{cluster: a, user: a}}}}]
current-context: a
"
        )
    }

    async fn read(cluster: &str) -> Result<kube::Config, AppError> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("kubeconfig");
        std::fs::write(&path, with_cluster(cluster)).expect("a file");
        client_config(Some(&path)).await
    }

    #[tokio::test]
    async fn no_proxy_is_used_and_one_that_is_demanded_is_an_error() {
        for proxy in ["", ", proxy-url: \"\""] {
            let read = read(&format!("{{server: 'http://127.0.0.1:1'{proxy}}}")).await;
            assert_eq!(read.expect("no error").proxy_url, None, "{proxy}");
        }
        let read = read("{server: 'http://127.0.0.1:1', proxy-url: 'http://127.0.0.1:3128'}").await;
        let error = read.expect_err("a proxy").to_string();
        assert!(
            error.contains("proxy-url, which is not supported"),
            "{error}"
        );
    }

    #[test]
    fn the_files_are_those_of_kubectl() {
        let home = || Some(PathBuf::from("/home/u"));
        let cases: [(Option<&str>, &[&str], &str); 4] = [
            (None, &["/home/u/.kube/config"], "not set"),
            (Some(""), &["/home/u/.kube/config"], "empty"),
            (Some("/a:/b"), &["/a", "/b"], "several"),
            (Some(":/a:"), &["/a"], "empty parts are ignored"),
        ];
        for (variable, expected, why) in cases {
            let files = candidates(variable.map(OsStr::new), home());
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(files, expected, "{why}");
        }
        assert!(candidates(None, None).is_empty(), "there is no home");
    }
}
