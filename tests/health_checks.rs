//! The health checks of a Service: what is declared reaches the cloud, and decides there which
//! Nodes get traffic.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use testbed::cloud::{
    Capabilities, CloudSimulatorOptions, HealthCheck, HealthCheckProtocol, LoadBalancer,
};
use testbed::environment::SOON;
use testbed::node_ports::NodePorts;
use testbed::{Environment, eventually};

async fn of(test: &Environment, service: &str) -> Result<LoadBalancer> {
    let uid = test.get(service).await?.metadata.uid.context("a UID")?;
    let mut there = test.cloud1.inventory().into_iter();
    let is_its = |found: &LoadBalancer| found.owner.as_ref().is_some_and(|owner| owner.uid == uid);
    there.find(is_its).context("a load balancer")
}

fn checks(found: &LoadBalancer) -> Vec<Option<&HealthCheck>> {
    let listeners = found.settings.listeners.iter();
    listeners
        .map(|listener| listener.health_check.as_ref())
        .collect()
}

#[tokio::test]
async fn what_a_service_declares_is_sent_for_each_port_and_follows_edits() -> Result<()> {
    let test = Environment::shared("healthchecks").await?;
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    test.service("web")
        .provider("cloud1")
        .field(
            "ports",
            json!([{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]),
        )
        .ours("http.health-check-protocol", "http")
        .ours("http.health-check-path", "/up")
        .ours("health-check-interval", "10s")
        .create()
        .await?;
    let service = test.until_ready("web").await?;
    let ports = service.spec.and_then(|spec| spec.ports).context("ports")?;
    let found = of(&test, "web").await?;
    let [Some(http), None] = checks(&found)[..] else {
        anyhow::bail!("{:?}", found.settings.listeners);
    };
    ensure!(http.protocol == HealthCheckProtocol::Http && http.path.as_deref() == Some("/up"));
    ensure!(http.port.map(i32::from) == ports[0].node_port, "{http:?}");
    ensure!(
        http.interval_seconds == Some(10) && http.timeout_seconds == Some(3),
        "{http:?}"
    );

    let edits = [
        ("http.health-check-protocol", None),
        ("http.health-check-path", None),
    ];
    test.annotate("web", &edits).await?;
    eventually("a TCP check at the cloud", SOON, async || {
        let found = of(&test, "web").await?;
        let check = checks(&found)[0].cloned();
        Ok(
            check
                .filter(|check| check.protocol == HealthCheckProtocol::Tcp && check.path.is_none()),
        )
    })
    .await?;
    test.annotate("web", &[("http.health-check-path", Some("/up"))])
        .await?;
    let message = test.until_reason("web", "InvalidConfiguration").await?;
    ensure!(
        message.contains("http.health-check-path is \"/up\": only a health check over HTTP"),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn an_edit_of_the_traffic_policy_changes_what_a_node_is_asked() -> Result<()> {
    let test = Environment::shared("policyedit").await?;
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    let service = test.service("web").provider("cloud1");
    let service = service.field("externalTrafficPolicy", json!("Local"));
    service.create().await?;
    let service = test.until_ready("web").await?;
    let spec = service.spec.context("a spec")?;
    let port_of_kube_proxy = spec.health_check_node_port.context("its port")?;
    let node_port = spec.ports.context("ports")?[0].node_port.context("one")?;
    let asked = async |protocol: HealthCheckProtocol, port: i32, path: Option<&str>| {
        eventually("the health check to follow", SOON, async || {
            let found = of(&test, "web").await?;
            let check = checks(&found)[0].context("a health check")?;
            let is_it = check.protocol == protocol
                && check.port.map(i32::from) == Some(port)
                && check.path.as_deref() == path;
            Ok(is_it.then_some(()))
        })
        .await
    };
    asked(
        HealthCheckProtocol::Http,
        port_of_kube_proxy,
        Some("/healthz"),
    )
    .await?;
    let edit = |policy: &str| json!({"spec": {"externalTrafficPolicy": policy}});
    test.edit("web", edit("Cluster")).await?;
    asked(HealthCheckProtocol::Tcp, node_port, None).await?;
    test.edit("web", edit("Local")).await?;
    let local = |service: &k8s_openapi::api::core::v1::Service| {
        service
            .spec
            .as_ref()
            .is_some_and(|spec| spec.health_check_node_port.is_some())
    };
    let service = test.until("web", "a health check node port", local).await?;
    let port = service.spec.and_then(|spec| spec.health_check_node_port);
    asked(
        HealthCheckProtocol::Http,
        port.context("its port")?,
        Some("/healthz"),
    )
    .await
}

#[tokio::test]
async fn a_cloud_without_health_checks_gets_none_and_refuses_the_annotation() -> Result<()> {
    let test = Environment::shared("nohealthchecks").await?;
    let without = Capabilities::all().without("healthChecks");
    test.cloud1.set_capabilities(Some(without));
    test.cloud2.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    let local = test.service("local").provider("cloud1,cloud2");
    local
        .field("externalTrafficPolicy", json!("Local"))
        .create()
        .await?;
    let asking = test.service("asking").provider("cloud1");
    asking.ours("health-check-port", "10256").create().await?;

    test.until_ready("local").await?;
    let found = of(&test, "local").await?;
    ensure!(checks(&found) == [None], "{found:?}");
    let message = test.until_reason("local", "Ready").await?;
    let says = "; cloud1 decides itself which Nodes serve: it does not support the choice of";
    ensure!(message.contains(says), "{message}");
    ensure!(!message.contains("cloud2 decides"), "{message}");
    let message = test.until_reason("asking", "Unsupported").await?;
    ensure!(
        message.contains("health-check-port is \"10256\": cloud1 does not support"),
        "{message}"
    );
    ensure!(message.contains("(cloud2 can)"), "{message}");
    ensure!(of(&test, "asking").await.is_err(), "no load balancer");
    Ok(())
}

/// With externalTrafficPolicy: Local all Nodes are back ends, and kube-proxy's health check
/// tells the cloud which of them have an endpoint.
#[tokio::test]
async fn with_local_policy_only_nodes_with_an_endpoint_get_traffic() -> Result<()> {
    // On a control plane of its own, because node ports answer on the addresses of Nodes.
    let real = |cloud: &mut CloudSimulatorOptions| {
        cloud.data_plane = true;
        cloud.health_check_period = Duration::from_millis(100);
    };
    let test = Environment::own_with("localpolicy", real).await?;
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    for (name, address) in [
        ("one", "127.40.0.1"),
        ("two", "127.40.0.2"),
        ("three", "127.40.0.3"),
    ] {
        testbed::nodes::create_node(&test.client(), name, address.parse()?, &[]).await?;
    }
    let _node_ports = NodePorts::start(&test.client());
    let _replica = test.sole_replica().await?;
    let service = test.service("web").provider("cloud1");
    let service = service.field("ports", json!([{"name": "http", "port": 8080}]));
    let service = service.field("externalTrafficPolicy", json!("Local"));
    service.create().await?;
    endpoints_on(&test, &["two"]).await?;
    let service = test.until_ready("web").await?;
    let port = service.spec.and_then(|spec| spec.health_check_node_port);
    let found = of(&test, "web").await?;
    let check = checks(&found)[0].context("a health check")?;
    ensure!(check.port.map(i32::from) == port && check.path.as_deref() == Some("/healthz"));
    ensure!(
        found.settings.nodes.len() == 3,
        "all Nodes: {:?}",
        found.settings.nodes
    );

    test.until_answered_by("web", &["two"]).await?;
    endpoints_on(&test, &["one", "three"]).await?;
    test.until_answered_by("web", &["one", "three"]).await?;

    // The API server frees the port that the cloud asks, while a mistake holds up all else. Left
    // as it is, no Node would be healthy; this cloud then takes all of them, others take none.
    test.annotate("web", &[("lb-bandwidth", Some("fast"))])
        .await?;
    test.until_reason("web", "InvalidConfiguration").await?;
    let cluster = json!({"spec": {"externalTrafficPolicy": "Cluster"}});
    test.edit("web", cluster).await?;
    let after = eventually("a check of the node port", SOON, async || {
        let after = of(&test, "web").await?;
        let is_of_now = |listener: &testbed::cloud::Listener| {
            let check = listener.health_check.as_ref();
            check.is_some_and(|check| {
                check.protocol == HealthCheckProtocol::Tcp && check.port == Some(listener.node_port)
            })
        };
        Ok(after
            .settings
            .listeners
            .iter()
            .all(is_of_now)
            .then_some(after))
    })
    .await?;
    ensure!(after.settings.bandwidth == found.settings.bandwidth);
    test.until_answered_by("web", &["one", "two", "three"])
        .await?;
    test.until_reason("web", "InvalidConfiguration").await?;
    Ok(())
}

/// What the controller of EndpointSlices would write.
async fn endpoints_on(test: &Environment, nodes: &[&str]) -> Result<()> {
    let slices: Api<EndpointSlice> = Api::namespaced(test.client(), &test.namespace);
    let endpoint = |node: &&str| json!({"addresses": ["10.0.0.1"], "nodeName": node});
    let endpoints: Vec<Value> = nodes.iter().map(endpoint).collect();
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "endpoints": endpoints, "ports": [],
    }))?;
    match slices.get_opt("web-1").await? {
        None => drop(slices.create(&PostParams::default(), &slice).await?),
        Some(_) => {
            let patch = Patch::Merge(json!({"endpoints": endpoints}));
            slices
                .patch("web-1", &PatchParams::default(), &patch)
                .await?;
        }
    }
    Ok(())
}
