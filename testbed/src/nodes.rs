//! Nodes without machines: no kubelet runs, their status is what we write.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Node, NodeAddress, NodeCondition, NodeSpec, NodeStatus, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Error};
use serde_json::json;

/// A Node to be.
#[derive(Clone, Debug)]
pub struct NewNode {
    /// Its name, and its label `kubernetes.io/hostname`.
    pub name: String,
    /// Address of type `InternalIP`.
    pub internal_ip: IpAddr,
    /// Address of type `ExternalIP`.
    pub external_ip: Option<IpAddr>,
    /// Labels on top of the host name.
    pub labels: BTreeMap<String, String>,
}

impl NewNode {
    /// A Node with an internal address only.
    #[must_use]
    pub fn new(name: &str, internal_ip: IpAddr) -> Self {
        Self {
            name: name.to_owned(),
            internal_ip,
            external_ip: None,
            labels: BTreeMap::new(),
        }
    }

    /// Gives it an external address too.
    #[must_use]
    pub fn external_ip(mut self, address: IpAddr) -> Self {
        self.external_ip = Some(address);
        self
    }

    /// Gives it a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Creates it, ready from the first moment.
    ///
    /// # Errors
    /// It exists, or kube-apiserver refused it.
    pub async fn create(self, client: &Client) -> Result<Node> {
        let what = format!("creating Node {}", self.name);
        let node = self.into_node();
        let created = api(client).create(&PostParams::default(), &node).await;
        created.context(what)
    }

    fn into_node(self) -> Node {
        let mut labels = self.labels;
        labels
            .entry("kubernetes.io/hostname".to_owned())
            .or_insert_with(|| self.name.clone());
        let mut addresses = vec![address("InternalIP", &self.internal_ip)];
        addresses.extend(self.external_ip.iter().map(|ip| address("ExternalIP", ip)));
        Node {
            metadata: ObjectMeta {
                name: Some(self.name),
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            spec: Some(NodeSpec::default()),
            status: Some(NodeStatus {
                addresses: Some(addresses),
                conditions: Some(vec![ready_condition(true)]),
                ..NodeStatus::default()
            }),
        }
    }
}

/// Creates a ready Node with an internal address and labels.
///
/// # Errors
/// As [`NewNode::create`].
pub async fn create_node(
    client: &Client,
    name: &str,
    internal_ip: IpAddr,
    labels: &[(&str, &str)],
) -> Result<Node> {
    let node = NewNode::new(name, internal_ip);
    labels
        .iter()
        .fold(node, |node, (key, value)| node.label(key, value))
        .create(client)
        .await
}

/// Deletes a Node; one that is not there is no error.
///
/// # Errors
/// kube-apiserver refused.
pub async fn delete_node(client: &Client, name: &str) -> Result<()> {
    match api(client).delete(name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error).with_context(|| format!("deleting Node {name}")),
    }
}

/// Adds a taint; `effect` is `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
///
/// # Errors
/// There is no such Node, or another writer changed it at the same moment.
pub async fn taint_node(client: &Client, name: &str, key: &str, effect: &str) -> Result<()> {
    let mut node = api(client).get(name).await?;
    let taints = node
        .spec
        .get_or_insert_default()
        .taints
        .get_or_insert_default();
    ensure!(
        !taints.iter().any(|t| t.key == key && t.effect == effect),
        "Node {name} has the taint {key}:{effect} already"
    );
    taints.push(Taint {
        key: key.to_owned(),
        effect: effect.to_owned(),
        ..Taint::default()
    });
    let replaced = api(client)
        .replace(name, &PostParams::default(), &node)
        .await;
    replaced.with_context(|| format!("tainting Node {name}"))?;
    Ok(())
}

/// Sets a label, or removes it with `None`.
///
/// # Errors
/// There is no such Node.
pub async fn label_node(client: &Client, name: &str, key: &str, value: Option<&str>) -> Result<()> {
    let patch = json!({ "metadata": { "labels": { key: value } } });
    let patched = api(client)
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    patched.with_context(|| format!("labelling Node {name}"))?;
    Ok(())
}

/// Sets the condition `Ready`.
///
/// # Errors
/// There is no such Node.
pub async fn set_node_ready(client: &Client, name: &str, ready: bool) -> Result<()> {
    let patch = json!({ "status": { "conditions": [ready_condition(ready)] } });
    let patched = api(client)
        .patch_status(name, &PatchParams::default(), &Patch::Strategic(patch))
        .await;
    patched.with_context(|| format!("setting Ready of Node {name}"))?;
    Ok(())
}

/// Replaces the addresses, as a kubelet or a cloud's Node controller does.
///
/// # Errors
/// There is no such Node.
pub async fn set_node_addresses(
    client: &Client,
    name: &str,
    addresses: &[(&str, &str)],
) -> Result<()> {
    let addresses = addresses
        .iter()
        .map(|(kind, address)| json!({"type": kind, "address": address}));
    let patch = json!({ "status": { "addresses": addresses.collect::<Vec<_>>() } });
    let patched = api(client)
        .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    patched.with_context(|| format!("setting the addresses of Node {name}"))?;
    Ok(())
}

fn api(client: &Client) -> Api<Node> {
    Api::all(client.clone())
}

fn address(kind: &str, ip: &IpAddr) -> NodeAddress {
    NodeAddress {
        type_: kind.to_owned(),
        address: ip.to_string(),
    }
}

fn ready_condition(ready: bool) -> NodeCondition {
    let now = Time(jiff::Timestamp::now());
    NodeCondition {
        type_: "Ready".to_owned(),
        status: if ready { "True" } else { "False" }.to_owned(),
        reason: Some(
            if ready {
                "KubeletReady"
            } else {
                "KubeletNotReady"
            }
            .to_owned(),
        ),
        last_heartbeat_time: Some(now.clone()),
        last_transition_time: Some(now),
        ..NodeCondition::default()
    }
}
