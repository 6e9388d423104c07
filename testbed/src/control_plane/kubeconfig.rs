//! Files with the address of kube-apiserver and the credentials of a client.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use super::certificates;

/// Longer than any test or demo.
const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// A client from a kubeconfig file.
///
/// # Errors
/// The file cannot be read or does not make sense.
pub async fn client_for(kubeconfig: &Path) -> Result<Client> {
    install_tls_provider();
    let read = || format!("reading {}", kubeconfig.display());
    let file = Kubeconfig::read_from(kubeconfig).with_context(read)?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .with_context(read)?;
    // HTTPS_PROXY is for the world outside of this machine.
    config.proxy_url = None;
    Ok(Client::try_from(config)?)
}

/// rustls asks for a process-wide choice before the first connection.
pub(crate) fn install_tls_provider() {
    // An error means that one was installed before, by us or by the test.
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
}

/// Where the administrator's file is.
pub(super) fn admin(directory: &Path) -> PathBuf {
    directory.join("admin.kubeconfig")
}

/// Writes the administrator's file, beside the certificates that it names.
pub(super) fn write_admin(path: &Path, server: &str) -> Result<()> {
    let cluster = json!({
        "server": server,
        "certificate-authority": path.with_file_name(certificates::AUTHORITY),
    });
    let user = json!({
        "client-certificate": path.with_file_name(certificates::ADMIN.certificate),
        "client-key": path.with_file_name(certificates::ADMIN.key),
    });
    write(path, &cluster, &user)
}

/// Asks for a token of the ServiceAccount and writes a file for it beside the
/// administrator's.
pub(super) async fn write_service_account(
    client: &Client,
    admin: &Path,
    namespace: &str,
    name: &str,
) -> Result<PathBuf> {
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let token = accounts
        .create_token_request(name, &PostParams::default(), &request)
        .await
        .with_context(|| format!("asking for a token of ServiceAccount {namespace}/{name}"))?
        .status
        .context("kube-apiserver answered without a token")?
        .token;
    let cluster = Kubeconfig::read_from(admin)?
        .clusters
        .into_iter()
        .find_map(|named| named.cluster)
        .with_context(|| format!("no cluster in {}", admin.display()))?;
    let path = admin.with_file_name(format!("{namespace}.{name}.kubeconfig"));
    write(
        &path,
        &serde_json::to_value(cluster)?,
        &json!({ "token": token }),
    )?;
    Ok(path)
}

/// JSON is YAML. The rename makes the file appear whole, for others may be reading it.
fn write(path: &Path, cluster: &Value, user: &Value) -> Result<()> {
    let name = "testbed";
    let content = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": name, "cluster": cluster }],
        "users": [{ "name": name, "user": user }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
        "current-context": name,
    });
    let directory = path.parent().context("a kubeconfig is in a directory")?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    serde_json::to_writer_pretty(&mut file, &content)?;
    file.persist(path)?;
    Ok(())
}
