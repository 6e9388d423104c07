//! An internal load balancer, and `externalTrafficPolicy: Local`.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use testbed::cloud::LoadBalancer;

use super::SOON;
use crate::demo::Demo;
use crate::inventory::{load_balancers, owner_uid};
use crate::services;
use crate::stage::Stage;
use crate::traffic;

pub const SERVICE: &str = "nginx-internal";

const MANIFEST: &str = "apiVersion: v1
kind: Service
metadata:
  name: nginx-internal
  annotations:
    mycloud.com/enable: \"true\"
    mycloud.com/provider: cloud1
    mycloud.com/internal: \"true\"
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: {app: nginx-demo}
  ports:
    - {name: http, port: 80, targetPort: 80}
";

/// # Errors
/// The load balancer is not as asked, or another Node than that of the pod answers.
pub async fn play(stage: &mut Stage, demo: &mut Demo) -> Result<()> {
    stage.open("A Service asks for an internal load balancer, with externalTrafficPolicy: Local");
    for line in MANIFEST.lines().filter(|line| is_of_interest(line)) {
        stage.line(line);
    }
    services::apply(demo, MANIFEST).await?;
    let service = services::until_ready(stage, &demo.environment, SERVICE, SOON).await?;
    show_settings(stage, demo, &service)?;
    let nodes: Vec<String> = demo.nodes.iter().map(|(name, _)| name.clone()).collect();
    for node in nodes.iter().rev() {
        stage.fact("its only pod is on", node);
        demo.environment
            .control_plane
            .apply(&endpoints(node))
            .await?;
        traffic::show_answers_of(stage, demo, &service, [node.as_str()].into()).await?;
    }
    Ok(())
}

fn is_of_interest(line: &str) -> bool {
    ["name:", "mycloud.com/", "externalTrafficPolicy"]
        .iter()
        .any(|part| line.trim().starts_with(part))
}

/// What the controller of EndpointSlices would write for a pod on this Node.
fn endpoints(node: &str) -> String {
    format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  \
         name: {SERVICE}-1\n  labels: {{kubernetes.io/service-name: {SERVICE}}}\n\
         addressType: IPv4\nports: []\nendpoints:\n  \
         - {{addresses: [10.0.0.1], nodeName: {node}}}\n"
    )
}

/// Prints what the cloud got, by its inventory.
fn show_settings(stage: &Stage, demo: &Demo, service: &Service) -> Result<()> {
    let found = its(demo, service)?;
    let port = service
        .spec
        .as_ref()
        .and_then(|spec| spec.health_check_node_port);
    let check = found.settings.listeners[0].health_check.as_ref();
    let check = check.context("the load balancer has no health check")?;
    let (internal, back_ends) = (found.settings.internal, found.settings.nodes.len());
    let path = check.path.clone().unwrap_or_default();
    stage.fact(
        "at cloud1",
        format_args!("internal: {internal}, {back_ends} Nodes are back ends"),
    );
    let asked = check.port.unwrap_or_default();
    stage.fact(
        "health check",
        format_args!("GET {path} on healthCheckNodePort {asked}"),
    );
    ensure!(internal, "the load balancer is not internal");
    ensure!(back_ends == demo.nodes.len(), "not all Nodes are back ends");
    ensure!(
        Some(i32::from(asked)) == port,
        "the health check is not of the Service: {check:?}"
    );
    Ok(())
}

fn its(demo: &Demo, service: &Service) -> Result<LoadBalancer> {
    let uid = service.uid();
    let all = load_balancers(&demo.environment).into_iter();
    let mut all = all.map(|(_, found)| found);
    let its = all.find(|found| owner_uid(found) == uid.as_deref());
    its.context("the cloud has no load balancer of the Service")
}
