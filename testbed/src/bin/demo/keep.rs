//! `--keep`: stays up until Ctrl-C.

use std::time::Duration;

use testbed::cloud::LoadBalancer;
use testbed::repository_path;

use crate::demo::Demo;
use crate::inventory;
use crate::lease;
use crate::replicas;
use crate::signals::Signals;
use crate::stage::Stage;

/// Between two checks whether a replica has ended.
const PERIOD: Duration = Duration::from_millis(500);

/// Prints the addresses of everything; then restarts replicas that end, as a kubelet
/// would, until a signal ends the demo.
pub async fn stay(stage: &Stage, demo: &mut Demo, signals: &mut Signals) {
    println!();
    stage.heading("Everything stays up until Ctrl-C");
    addresses(stage, demo).await;
    things_to_try(stage, demo);
    loop {
        tokio::select! {
            () = signals.received() => break,
            () = tokio::time::sleep(PERIOD) => {
                if let Err(error) = replicas::relaunch_ended(stage, demo) {
                    stage.complaint(&format!("{error:#}"));
                }
            }
        }
    }
    println!();
}

async fn addresses(stage: &Stage, demo: &Demo) {
    let kubeconfig = demo.environment.control_plane.kubeconfig_path().display();
    stage.line(&format!("export KUBECONFIG={kubeconfig}"));
    if let Err(error) = replicas::show(stage, demo).await {
        stage.complaint(&format!("{error:#}"));
    }
    if let Some(monitoring) = &demo.monitoring
        && let Err(error) = monitoring.show(stage)
    {
        stage.complaint(&format!("{error:#}"));
    }
    for cloud in demo.environment.clouds() {
        let endpoint = cloud.endpoint();
        stage.fact(
            cloud.name(),
            format_args!("{endpoint}/admin/inventory   /admin/events   /admin/faults"),
        );
    }
}

fn things_to_try(stage: &Stage, demo: &Demo) {
    let cloud1 = demo.environment.cloud1.endpoint();
    let faults = format!("{cloud1}/admin/faults");
    let example = repository_path("deploy/examples/nginx-lb-cloud2.yaml");
    let annotate = |annotation: &str| {
        let command = "kubectl annotate service nginx-lb-cloud1 --overwrite";
        format!("{command} mycloud.com/{annotation}")
    };
    let condition = "--for=condition=mycloud.com/LoadBalancerReady";
    let hang = "-H 'content-type: application/json' -d '{\"kind\": \"hang\"}'";
    println!();
    stage.line("Things to try:");
    stage.facts(&[
        (
            "Services, as they change",
            "kubectl get services --watch".into(),
        ),
        (
            "make one again",
            format!("kubectl apply -f {}", example.display()),
        ),
        (
            "and wait for it",
            format!("kubectl wait service nginx-lb-cloud2 {condition}"),
        ),
        ("more bandwidth", annotate("lb-bandwidth=50M")),
        ("on both clouds", annotate("provider=cloud1,cloud2")),
        ("a bad value", annotate("lb-bandwidth=fast")),
        (
            "condition and Events",
            "kubectl describe service nginx-lb-cloud1".into(),
        ),
        ("and a good one", annotate("lb-bandwidth=20M")),
        ("traffic", format!("curl {}", some_url(demo))),
        ("a Node leaves", "kubectl delete node node-3".into()),
        (
            "the leader",
            format!(
                "kubectl -n {} get lease {} --watch",
                lease::NAMESPACE,
                lease::NAME
            ),
        ),
        (
            "kill a replica",
            "kill -9 PID   (it is started again)".into(),
        ),
        ("cloud1 hangs", format!("curl {faults} {hang}")),
        ("cloud1 answers again", format!("curl -X DELETE {faults}")),
    ]);
}

/// Of a Service on cloud1.
fn some_url(demo: &Demo) -> String {
    let ours = |(_, entry): &(String, LoadBalancer)| entry.owner.is_some();
    let found = inventory::load_balancers(&demo.environment)
        .into_iter()
        .find(ours);
    let address = found.and_then(|(_, entry)| Some(entry.ip?.to_string()));
    let port = 80 + demo.addresses.low_port_offset;
    format!("http://{}:{port}/", address.unwrap_or("EXTERNAL-IP".into()))
}
