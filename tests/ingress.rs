//! Several addresses and host names in the status, and the `ipMode` of each IP address.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testbed::Environment;
use testbed::cloud::{Capabilities, CloudSimulator, IngressEntry};

const QUICK: &str = "driftInterval: 1s\nsweepInterval: 500ms";

/// The addresses in the status, each with its mode.
fn entries(service: &Service) -> Vec<(String, Option<String>)> {
    let status = service.status.as_ref();
    let load_balancer = status.and_then(|status| status.load_balancer.as_ref());
    let ingress = load_balancer.and_then(|load_balancer| load_balancer.ingress.as_deref());
    let entries = ingress.unwrap_or_default().iter();
    entries
        .map(|entry| {
            let address = entry.ip.clone().or_else(|| entry.hostname.clone());
            (address.unwrap_or_default(), entry.ip_mode.clone())
        })
        .collect()
}

fn with_mode(address: &str, mode: &str) -> (String, Option<String>) {
    (address.to_owned(), Some(mode.to_owned()))
}

fn name(name: &str) -> (String, Option<String>) {
    (name.to_owned(), None)
}

async fn until_entries(
    test: &Environment,
    service: &str,
    wanted: &[(String, Option<String>)],
) -> Result<Service> {
    let what = format!("the entries {wanted:?}");
    let is = |service: &Service| entries(service) == wanted;
    test.until(service, &what, is).await
}

/// The address of the only load balancer of a cloud, and its id.
fn sole(cloud: &CloudSimulator) -> Result<(String, String)> {
    let found = cloud.inventory().pop().context("a load balancer")?;
    Ok((found.id, found.ip.context("an address")?.to_string()))
}

/// Makes a cloud tell these entries of its only load balancer.
async fn tell(cloud: &CloudSimulator, told: &[Value]) -> Result<()> {
    let (id, _) = sole(cloud)?;
    let told = told.iter().cloned().map(serde_json::from_value);
    let told: Vec<IngressEntry> = told.collect::<Result<_, _>>()?;
    cloud.edit(&id, |found| found.ingress = told).await?;
    Ok(())
}

/// The writes of the replicas to the status of Services so far.
fn writes(test: &Environment) -> Result<usize> {
    let writes = test.writes()?;
    let of_services = writes.iter().filter(|write| write.resource == "services");
    Ok(of_services.count())
}

#[tokio::test]
async fn what_a_cloud_tells_of_its_addresses_is_published_and_follows_it() -> Result<()> {
    let mut test = Environment::shared("ingress").await?;
    test.extra_config = QUICK.into();
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    let ready = test.until_ready("web").await?;
    let (_, ip) = sole(&test.cloud1)?;
    ensure!(entries(&ready) == [with_mode(&ip, "VIP")], "{ready:?}");

    // Modes are for IP addresses only; one at a host name is none.
    let shown = [
        json!({"hostname": "b.example.com", "ipMode": "Proxy"}),
        json!({"ip": ip, "ipMode": "Proxy"}),
        json!({"hostname": "A.example.com"}),
        json!({"ip": "198.51.100.7"}),
    ];
    tell(&test.cloud1, &shown).await?;
    let all = [
        with_mode(&ip, "Proxy"),
        with_mode("198.51.100.7", "VIP"),
        name("a.example.com"),
        name("b.example.com"),
    ];
    until_entries(&test, "web", &all).await?;
    let note = test.until_event("web", "UpdatedLoadBalancer").await?;
    ensure!(
        note.contains(&format!("{ip} (ipMode Proxy), 198.51.100.7")),
        "{note}"
    );

    // Another order says the same. A later change shows that it was read.
    let before = writes(&test)?;
    let [b, first, a, second] = shown.clone();
    tell(&test.cloud1, &[second, a, first, b]).await?;
    test.service("later").provider("cloud2").create().await?;
    test.until_ready("later").await?;
    let (_, later) = sole(&test.cloud2)?;
    tell(&test.cloud2, &[json!({"ip": later, "ipMode": "Proxy"})]).await?;
    until_entries(&test, "later", &[with_mode(&later, "Proxy")]).await?;
    let after = test.get("web").await?;
    ensure!(entries(&after) == all);
    ensure!(
        writes(&test)? == before + 3,
        "{before}, then {}",
        writes(&test)?
    );

    tell(&test.cloud1, &[json!({"ip": ip, "ipMode": "VIP"})]).await?;
    until_entries(&test, "web", &[with_mode(&ip, "VIP")]).await?;
    // Unusable ones cost themselves only.
    let shown = [
        json!({"ip": "224.0.0.1", "ipMode": "Proxy"}),
        json!({"hostname": "good.example"}),
    ];
    tell(&test.cloud1, &shown).await?;
    until_entries(&test, "web", &[with_mode(&ip, "VIP"), name("good.example")]).await?;
    Ok(())
}

#[tokio::test]
async fn a_name_beside_an_address_that_is_a_proxys_has_no_mode() -> Result<()> {
    let mut test = Environment::shared("ingress-names").await?;
    test.extra_config = QUICK.into();
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let created = test.service("web").provider("cloud1");
    created.ours("proxy-protocol", "v1").create().await?;
    let _replica = test.sole_replica().await?;
    test.until_ready("web").await?;
    let (_, ip) = sole(&test.cloud1)?;
    let told = ["two.example", "one.example"];
    let told = told.map(|hostname| json!({"hostname": hostname, "ipMode": "Proxy"}));
    tell(&test.cloud1, &told).await?;
    let all = [
        with_mode(&ip, "Proxy"),
        name("one.example"),
        name("two.example"),
    ];
    until_entries(&test, "web", &all).await?;
    Ok(())
}

#[tokio::test]
async fn proxy_follows_from_the_headers_of_all_ports() -> Result<()> {
    let test = Environment::shared("ingress-headers").await?;
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    test.cloud2.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    let ports = json!([{"name": "http", "port": 80}, {"name": "tls", "port": 443}]);
    let service = test.service("web").provider("cloud1,cloud2");
    let service = service.field("ports", ports).ours("proxy-protocol", "v2");
    service.create().await?;
    test.until_ready("web").await?;
    let (_, one) = sole(&test.cloud1)?;
    let (id, two) = sole(&test.cloud2)?;
    let modes = async |first: &str, second: &str| {
        let wanted: BTreeMap<_, _> = [with_mode(&one, first), with_mode(&two, second)].into();
        let what = format!("the modes {wanted:?}");
        let is = |service: &Service| BTreeMap::from_iter(entries(service)) == wanted;
        test.until("web", &what, is).await
    };
    modes("Proxy", "Proxy").await?;

    // One port without: the header cannot be what all traffic needs.
    let header = async |value| test.annotate("web", &[("tls.proxy-protocol", value)]).await;
    header(Some("none")).await?;
    modes("VIP", "VIP").await?;
    // One cloud that tells it has its own way.
    let told = vec![IngressEntry {
        ip: Some(two.clone()),
        ip_mode: Some("Proxy".into()),
        ..IngressEntry::default()
    }];
    test.cloud2.edit(&id, |found| found.ingress = told).await?;
    header(Some("v1")).await?;
    modes("Proxy", "Proxy").await?;
    header(Some("none")).await?;
    modes("VIP", "Proxy").await?;
    let message = test.condition(&test.get("web").await?);
    ensure!(message.is_some_and(|(status, ..)| status == "True"));
    Ok(())
}

#[tokio::test]
async fn what_another_writer_makes_of_a_mode_is_undone() -> Result<()> {
    let mut test = Environment::shared("ingress-drift").await?;
    test.extra_config = QUICK.into();
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    let service = test.service("web").provider("cloud1");
    service.ours("proxy-protocol", "v2").create().await?;
    test.until_ready("web").await?;
    let (_, ip) = sole(&test.cloud1)?;
    let ours = [with_mode(&ip, "Proxy")];
    let before = until_entries(&test, "web", &ours).await?;
    let mut version = before.resource_version();
    // Without a mode, the API server sets the default.
    for theirs in [
        json!([{"ip": ip, "ipMode": "VIP"}]),
        json!([{"ip": ip}]),
        json!([{"ip": ip, "ipMode": "VIP"}, {"hostname": "theirs.example"}]),
    ] {
        let patch = json!({"status": {"loadBalancer": {"ingress": theirs}}});
        let patched = test.services();
        let patched = patched
            .patch_status("web", &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        ensure!(patched.resource_version() != version, "they changed it");
        ensure!(entries(&patched)[0] == with_mode(&ip, "VIP"), "{patched:?}");
        version = until_entries(&test, "web", &ours).await?.resource_version();
    }
    let told = test.events("web", "UpdatedLoadBalancer").await?;
    ensure!(
        !told
            .iter()
            .any(|note| note.contains("changed at the clouds")),
        "the cloud is not blamed: {told:?}"
    );
    Ok(())
}
