//! A Service in a manifest, as it would be after `kubectl apply`: pure.

mod last_applied;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::kubernetes::MetadataKeys;
use crate::plan::annotation::{LB_CLOUD, LB_ID};
use crate::plan::naming::ServiceKey;
use crate::plan::service::PortView;

/// Stands for a node port that the API server will allocate.
pub const NOT_ALLOCATED: u16 = 0;
/// The UID of a Service that the cluster does not have. No UID looks like this.
const NO_UID: &str = "not applied yet";

/// The Services in a file of one or more documents, and the number of other objects.
///
/// # Errors
/// The text is no YAML.
pub fn services(text: &str) -> Result<(Vec<Value>, usize), String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)
        .map_err(|error| crate::error_chain::bounded(&error.to_string()))?;
    let (mut services, mut others) = (Vec::new(), 0);
    let mut open: Vec<Value> = documents.into_iter().rev().collect();
    while let Some(mut object) = open.pop() {
        let kind = object["kind"].as_str().unwrap_or_default();
        if kind == "Service" && object["apiVersion"] == "v1" {
            services.push(object);
        } else if kind.ends_with("List")
            && let Value::Array(items) = object["items"].take()
        {
            open.extend(items.into_iter().rev());
        } else if !object.is_null() {
            others += 1;
        }
    }
    Ok((services, others))
}

/// The namespace and name of a manifest. `namespace` is that of the command line.
///
/// # Errors
/// It has no valid name, or another namespace than the command line.
pub fn key(
    manifest: &Value,
    namespace: Option<&str>,
    default_namespace: &str,
) -> Result<ServiceKey, String> {
    let text = |field: &str| manifest["metadata"][field].as_str();
    let named = text("namespace");
    if let (Some(asked), Some(named)) = (namespace, named)
        && asked != named
    {
        return Err(format!(
            "the manifest has the namespace {named:?}, which is not {asked:?}: leave out -n or correct it"
        ));
    }
    let key = ServiceKey {
        namespace: named.or(namespace).unwrap_or(default_namespace).to_owned(),
        name: text("name").unwrap_or_default().to_owned(),
    };
    match key.is_valid() {
        true => Ok(key),
        false => Err(format!(
            "{:?} is not the name of a Service",
            key.to_string()
        )),
    }
}

/// The object after `kubectl apply` of the manifest on what the cluster has. The UID, our
/// record, the finalizers, the status and the allocated node ports stay as they are.
pub fn applied(
    manifest: &Value,
    live: Option<&Value>,
    key: &ServiceKey,
    keys: &MetadataKeys,
) -> Value {
    let wanted = users_part(manifest, keys);
    let Some(live) = live else {
        let mut object = wanted;
        object["metadata"]["uid"] = json!(NO_UID);
        object["metadata"]["namespace"] = json!(key.namespace);
        object["metadata"]["name"] = json!(key.name);
        return object;
    };
    let before = last_applied::fields(live);
    let before = before.map(|before| users_part(&before, keys));
    let mut object = merge(live.clone(), before.as_ref(), &wanted);
    keep_node_ports(&mut object["spec"], &live["spec"]);
    object
}

/// Whether the API server allocates node ports for this object.
pub fn allocates_node_ports(object: &Value) -> bool {
    object["spec"]["allocateLoadBalancerNodePorts"] != false
}

/// Marks the ports whose node port will be allocated.
pub fn mark_unallocated(ports: &mut [PortView]) {
    for port in ports {
        port.node_port.get_or_insert(NOT_ALLOCATED);
    }
}

/// The part of an object that a user declares and the plan reads.
fn users_part(object: &Value, keys: &MetadataKeys) -> Value {
    let mut annotations = object["metadata"]["annotations"].clone();
    if let Value::Object(annotations) = &mut annotations {
        for ours in [LB_ID.name, LB_CLOUD.name] {
            annotations.remove(&keys.annotation(ours));
        }
        annotations.remove(last_applied::ANNOTATION);
    }
    let spec = match object["spec"].clone() {
        Value::Null => json!({}),
        spec => spec,
    };
    let mut part = json!({"metadata": {}, "spec": spec});
    if !annotations.is_null() {
        part["metadata"]["annotations"] = annotations;
    }
    part
}

/// The three-way merge of `kubectl apply`: fields of the last manifest that are not in this
/// one go; fields that neither has stay. Lists are replaced.
fn merge(live: Value, before: Option<&Value>, wanted: &Value) -> Value {
    let (Value::Object(mut live), Value::Object(wanted)) = (live, wanted) else {
        return wanted.clone();
    };
    let none = Map::new();
    let before = before.and_then(Value::as_object).unwrap_or(&none);
    live.retain(|name, _| wanted.contains_key(name) || !before.contains_key(name));
    for (name, value) in wanted {
        let now = live.remove(name).unwrap_or_default();
        live.insert(name.clone(), merge(now, before.get(name), value));
    }
    Value::Object(live)
}

/// Gives the ports the node ports that they have in the cluster: by port and protocol, as a
/// merge does, or else by name, as the API server does.
fn keep_node_ports(spec: &mut Value, live: &Value) {
    let none = Vec::new();
    let known = live["ports"].as_array().unwrap_or(&none);
    let Value::Array(ports) = &mut spec["ports"] else {
        return;
    };
    let number = |port: &Value| port["nodePort"].as_u64().filter(|number| *number > 0);
    let mut used: BTreeSet<u64> = ports.iter().filter_map(number).collect();
    let identities: [fn(&Value) -> String; 2] = [port_and_protocol, port_name];
    for identity in identities {
        for port in ports.iter_mut().filter(|port| number(port).is_none()) {
            let kept = known.iter().find(|known| identity(known) == identity(port));
            if let Some(kept) = kept.and_then(number).filter(|kept| used.insert(*kept)) {
                port["nodePort"] = json!(kept);
            }
        }
    }
}

fn port_and_protocol(port: &Value) -> String {
    format!(
        "{}/{}",
        port["port"],
        port["protocol"].as_str().unwrap_or("TCP")
    )
}

fn port_name(port: &Value) -> String {
    port["name"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
