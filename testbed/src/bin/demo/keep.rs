//! Stays up for a look around.

use std::time::Duration;

use testbed::cloud::LoadBalancer;

use crate::inventory;
use crate::lease;
use crate::signals::Signals;
use crate::stage::Stage;
use crate::world::World;

/// Between two looks at whether a replica has ended.
const LOOK: Duration = Duration::from_millis(500);

/// Prints where everything is; then restarts replicas that end, as a kubelet
/// would, until the user wants the end.
pub async fn stay(stage: &Stage, world: &mut World, signals: &mut Signals) {
    println!();
    stage.heading("Everything stays up until Ctrl-C");
    addresses(stage, world).await;
    things_to_try(stage, world);
    loop {
        tokio::select! {
            () = signals.asked() => break,
            () = tokio::time::sleep(LOOK) => {
                if let Err(error) = world.replicas.start_ended(stage) {
                    stage.complaint(&format!("{error:#}"));
                }
            }
        }
    }
    println!();
}

async fn addresses(stage: &Stage, world: &World) {
    let kubeconfig = world.control_plane.kubeconfig_path().display();
    stage.line(&format!("export KUBECONFIG={kubeconfig}"));
    if let Err(error) = world.replicas.show(stage).await {
        stage.complaint(&format!("{error:#}"));
    }
    if let Some(observatory) = &world.observatory
        && let Err(error) = observatory.show(stage)
    {
        stage.complaint(&format!("{error:#}"));
    }
    for cloud in &world.clouds {
        let endpoint = cloud.endpoint();
        stage.fact(
            cloud.name(),
            format_args!("{endpoint}/admin/inventory   /admin/events   /admin/faults"),
        );
    }
}

fn things_to_try(stage: &Stage, world: &World) {
    let [cloud1, _] = &world.clouds;
    let faults = format!("{}/admin/faults", cloud1.endpoint());
    let example = World::file("deploy/examples/nginx-lb-cloud2.yaml");
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
            "what the Service says",
            "kubectl describe service nginx-lb-cloud1".into(),
        ),
        ("and mended", annotate("lb-bandwidth=20M")),
        ("traffic", format!("curl {}", some_url(world))),
        ("a Node leaves", "kubectl delete node node-3".into()),
        (
            "who leads",
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
        ("cloud1 is well again", format!("curl -X DELETE {faults}")),
    ]);
}

/// Of a Service on cloud1.
fn some_url(world: &World) -> String {
    let ours = |(_, entry): &(String, LoadBalancer)| entry.owner.is_some();
    let found = inventory::load_balancers(&world.clouds)
        .into_iter()
        .find(ours);
    let address = found.and_then(|(_, entry)| Some(entry.ip?.to_string()));
    let port = 80 + world.addresses.low_port_offset;
    format!("http://{}:{port}/", address.unwrap_or("EXTERNAL-IP".into()))
}
