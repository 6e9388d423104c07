//! What is done to etcd behind kube-apiserver's back.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::processes::ETCD_SOCKET;

/// Deletes a key, by etcd's JSON gateway.
pub(super) async fn remove(directory: &Path, key: &str) -> Result<()> {
    let socket = directory.join(ETCD_SOCKET);
    let client = reqwest::Client::builder().unix_socket(socket).build()?;
    let request = json!({"key": ByteString(key.as_bytes().to_vec())});
    let answer = client
        .post("http://etcd/v3/kv/deleterange")
        .json(&request)
        .send()
        .await;
    let answer: Value = answer
        .context("asking etcd")?
        .error_for_status()?
        .json()
        .await?;
    ensure!(answer["deleted"] == "1", "etcd had no {key}: {answer}");
    Ok(())
}
