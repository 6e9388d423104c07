//! With `clusterServiceHealthCheck: kubeProxy`, kube-proxy decides which Nodes get the traffic of
//! Services with `externalTrafficPolicy: Cluster` (KEP-3836).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::Environment;
use testbed::cloud::{Capabilities, CloudSimulatorOptions, HealthCheck, HealthCheckProtocol};
use testbed::environment::SOON;
use testbed::loopback::LoopbackRange;
use testbed::node_ports::NodePorts;
use testbed::nodes::{create_node, taint_node};

/// The health check of the only port of a Service.
async fn check(test: &Environment, service: &str) -> Result<HealthCheck> {
    let uid = test.until_ready(service).await?.metadata.uid;
    let uid = uid.context("a UID")?;
    let mut there = test.cloud1.inventory().into_iter();
    let its = there.find(|one| one.owner.as_ref().is_some_and(|owner| owner.uid == uid));
    let listener = its.and_then(|one| one.settings.listeners.into_iter().next());
    listener
        .and_then(|listener| listener.health_check)
        .with_context(|| format!("{service} has a health check"))
}

#[tokio::test]
async fn a_node_that_is_about_to_go_gets_no_traffic_before_anybody_takes_it_off() -> Result<()> {
    let real = |cloud: &mut CloudSimulatorOptions| {
        cloud.data_plane = true;
        cloud.health_check_period = Duration::from_millis(100);
    };
    let mut test = Environment::own_with("kubeproxy", real).await?;
    test.extra_config += "clusterServiceHealthCheck: kubeProxy\n";
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    // Port 10256 of these addresses is nobody else's.
    let range = LoopbackRange::claim()?;
    for (name, number) in [("one", 1), ("two", 2)] {
        create_node(&test.client(), name, range.address(number).into(), &[]).await?;
    }
    let _node_ports = NodePorts::start_with_kube_proxy_health(&test.client());
    let mut replica = test.sole_replica().await?;
    let ports = json!([{"name": "http", "port": 8080}]);
    let of = |name: &str| test.service(name).provider("cloud1");
    of("web").field("ports", ports).create().await?;
    let asking = of("asking").ours("health-check-interval", "30s");
    asking.ours("health-check-protocol", "tcp").create().await?;
    let local = of("local").field("externalTrafficPolicy", json!("Local"));
    local.create().await?;

    let found = check(&test, "web").await?;
    ensure!(
        (found.protocol, found.port) == (HealthCheckProtocol::Http, Some(10_256))
            && found.path.as_deref() == Some("/healthz"),
        "{found:?}"
    );
    let found = check(&test, "asking").await?;
    ensure!(
        found.protocol == HealthCheckProtocol::Tcp && found.port != Some(10_256),
        "its annotation counts: {found:?}"
    );
    let found = check(&test, "local").await?;
    let service = test.get("local").await?;
    let of_service = service.spec.and_then(|spec| spec.health_check_node_port);
    ensure!(
        found.port.map(i32::from) == of_service,
        "the endpoints of the Service count: {found:?}"
    );

    test.until_answered_by("web", &["one", "two"]).await?;
    // Nobody takes the Node off, so that only the health check can.
    replica.terminate()?;
    replica.wait_exit(SOON).await?;
    let leaving = "ToBeDeletedByClusterAutoscaler";
    taint_node(&test.client(), "one", leaving, "NoSchedule").await?;
    test.until_answered_by("web", &["two"]).await
}
