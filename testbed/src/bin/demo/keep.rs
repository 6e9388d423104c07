//! Stays up for a look around.

use std::time::Duration;

use crate::lease;
use crate::signals::Signals;
use crate::stage::Stage;
use crate::world::World;

/// Between two looks at whether a replica has ended.
const LOOK: Duration = Duration::from_millis(500);

/// Prints where everything is; then restarts replicas that end, as a kubelet
/// would, until the user wants the end.
pub async fn stay(stage: &mut Stage, world: &mut World, signals: &mut Signals) {
    stage.open("Everything stays up until Ctrl-C");
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
    stage.close();
}

async fn addresses(stage: &Stage, world: &World) {
    let kubeconfig = world.control_plane.kubeconfig_path().display();
    stage.line(&format!("export KUBECONFIG={kubeconfig}"));
    if let Err(error) = world.replicas.show(stage).await {
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
    let (lease, namespace) = (lease::NAME, lease::NAMESPACE);
    let faults = format!("{}/admin/faults", cloud1.endpoint());
    let address = &world.clouds[0].addresses();
    let example = World::file("deploy/examples/nginx-lb-cloud2.yaml");
    let port = match world.addresses.low_port_offset {
        0 => String::new(),
        offset => format!(":{}", 80 + offset),
    };
    println!();
    stage.line("Things to try (a kubectl of version 1.36 or later is best):");
    let tries = [
        ("the Services, as they change", "kubectl get services --watch".to_owned()),
        ("the one that was deleted", format!("kubectl apply -f {}", example.display())),
        ("what a Service says", "kubectl describe service nginx-lb-cloud1".to_owned()),
        ("wait for a load balancer", "kubectl wait service nginx-lb-cloud2 --for=condition=mycloud.com/LoadBalancerReady".to_owned()),
        ("more bandwidth", "kubectl annotate service nginx-lb-cloud1 mycloud.com/lb-bandwidth=50M --overwrite".to_owned()),
        ("a bad value", "kubectl annotate service nginx-lb-cloud1 mycloud.com/lb-bandwidth=fast --overwrite".to_owned()),
        ("to both clouds", "kubectl annotate service nginx-lb-cloud1 mycloud.com/provider=cloud1,cloud2 --overwrite".to_owned()),
        ("a Node leaves", "kubectl delete node node-3".to_owned()),
        ("who leads", format!("kubectl -n {namespace} get lease {lease} --watch")),
        ("kill a replica", "kill -9 PID   (it is started again)".to_owned()),
        ("cloud1 hangs", format!("curl -X POST {faults} -H 'content-type: application/json' -d '{{\"kind\":\"hang\"}}'")),
        ("cloud1 is well again", format!("curl -X DELETE {faults}")),
        ("traffic", format!("curl http://ADDRESS{port}/   (ADDRESS: an EXTERNAL-IP, in {address} for cloud1)")),
    ];
    for (what, command) in tries {
        stage.fact(what, command);
    }
}
