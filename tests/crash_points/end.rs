//! What a run leaves, in words that are the same for every run.

use anyhow::Result;
use serde_json::{Value, json};
use testbed::Environment;

/// The Service and what each cloud has; ids, addresses and the like by their part.
pub async fn end(test: &Environment) -> Result<Value> {
    let service = test.services().get_opt("web").await?;
    let mut names = vec![(json!(test.namespace), "the namespace".to_owned())];
    let mut clouds = json!({});
    for cloud in [&test.cloud1, &test.cloud2] {
        let inventory = cloud.inventory();
        for (number, found) in inventory.iter().enumerate() {
            let of = |what: &str| format!("the {what} of {number} on {}", cloud.name());
            names.push((json!(found.id), of("id")));
            names.push((json!(found.name), of("name")));
            names.push((json!(found.ip), of("address")));
            let former = found.former_owner.as_ref();
            let uid = former.map(|owner| (json!(owner.uid), of("former owner")));
            names.extend(uid);
            // Those of a Service that is gone are only here.
            let listeners = found.settings.listeners.iter().enumerate();
            names.extend(listeners.map(|(number, listener)| {
                (json!(listener.node_port), format!("node port {number}"))
            }));
        }
        clouds[cloud.name()] = json!(inventory);
    }
    if let Some(service) = &service {
        names.push((json!(service.metadata.uid), "the UID".to_owned()));
        let ports = service
            .spec
            .iter()
            .flat_map(|spec| spec.ports.iter().flatten());
        for (number, port) in ports.enumerate() {
            names.push((json!(port.node_port), format!("node port {number}")));
        }
    }
    // The name of a load balancer has that of the namespace in it.
    names.sort_by_key(|(value, _)| std::cmp::Reverse(value.to_string().len()));
    let left = json!({
        "annotations": service.as_ref().map(|service| &service.metadata.annotations),
        "finalizers": service.as_ref().map(|service| &service.metadata.finalizers),
        "type": service.as_ref().and_then(|service| service.spec.as_ref()?.type_.clone()),
        "ports": service.as_ref().and_then(|service| service.spec.as_ref()?.ports.clone()),
        "status": service.as_ref().map(|service| &service.status),
        "clouds": clouds,
    });
    Ok(renamed(left, &names))
}

/// Times go, and what a run alone has gets the name of its part.
fn renamed(value: Value, names: &[(Value, String)]) -> Value {
    let in_text = |text: &str| {
        names.iter().fold(text.to_owned(), |text, (own, part)| {
            own.as_str()
                .map_or(text.clone(), |own| text.replace(own, part))
        })
    };
    match value {
        Value::Object(fields) => {
            let kept = fields
                .into_iter()
                .filter(|(key, _)| !["createdAt", "lastTransitionTime"].contains(&key.as_str()));
            kept.map(|(key, value)| (in_text(&key), renamed(value, names)))
                .collect()
        }
        Value::Array(items) => items.into_iter().map(|item| renamed(item, names)).collect(),
        Value::String(text) => in_text(&text).into(),
        other => match names.iter().find(|(own, _)| *own == other) {
            Some((_, part)) if !other.is_null() => part.clone().into(),
            _ => other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_alone_has_is_named_by_its_part() {
        let names = [
            (json!("shop-web-1f"), "the name".to_owned()),
            (json!("shop"), "the namespace".to_owned()),
            (json!(30080), "node port 0".to_owned()),
            (json!(null), "nothing".to_owned()),
        ];
        let left =
            json!({"shop.example/x": "shop-web-1f", "port": 30080, "ip": null, "createdAt": 1});
        let expected =
            json!({"the namespace.example/x": "the name", "port": "node port 0", "ip": null});
        assert_eq!(renamed(left, &names), expected);
    }
}
