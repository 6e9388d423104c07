use serde_json::json;

use crate::plan::load_balancer::State;
use crate::plan::naming::CloudName;
use crate::preview::losses::{Loss, losses};
use crate::preview::scene::{Scene, Shows, load_balancer};

fn load_balancer_1() -> Loss {
    let found = load_balancer();
    Loss::LoadBalancer {
        cloud: CloudName::new("cloud1"),
        id: found.id,
    }
}

fn address() -> Loss {
    Loss::Address {
        address: "192.0.2.1".into(),
    }
}

#[tokio::test]
async fn a_loss_is_a_deleted_load_balancer_or_an_address_that_leaves() {
    let with = |change: &dyn Fn(&mut Scene)| {
        let mut scene = Scene::in_sync();
        change(&mut scene);
        scene
    };
    let deleted = |scene: &mut Scene| {
        scene.service["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    };
    let provisioning = || {
        let mut found = load_balancer();
        found.state = State::Provisioning;
        found.addresses = Default::default();
        found
    };
    let cases: Vec<(&str, Scene, Vec<Loss>)> = vec![
        ("in sync", with(&|_| {}), vec![]),
        ("fresh", Scene::fresh(), vec![]),
        (
            "edited in place",
            with(&|scene| scene.annotate("lb-bandwidth", "20M")),
            vec![],
        ),
        (
            "the Service is deleted",
            with(&deleted),
            vec![load_balancer_1(), address()],
        ),
        (
            "it is disabled",
            with(&|scene| scene.annotate("enable", "false")),
            vec![load_balancer_1(), address()],
        ),
        (
            "it belongs to another class, which may have written the status",
            with(&|scene| scene.service["spec"]["loadBalancerClass"] = json!("other/class")),
            vec![load_balancer_1()],
        ),
        (
            "it moves",
            with(&|scene| scene.annotate("provider", "cloud2")),
            vec![load_balancer_1(), address()],
        ),
        (
            "it is on a second cloud too",
            with(&|scene| scene.annotate("provider", "cloud1,cloud2")),
            vec![],
        ),
        (
            "the cloud leads to another account",
            with(&|scene| scene.cloud1 = Shows::Nothing),
            vec![address()],
        ),
        (
            "the cloud is out of reach, so nothing is known",
            with(&|scene| scene.cloud1 = Shows::Fails),
            vec![],
        ),
        (
            "the value is invalid, so nothing changes",
            with(&|scene| scene.annotate("lb-bandwidth", "fast")),
            vec![],
        ),
        (
            "the cloud works on it, and the address stays meanwhile",
            with(&|scene| scene.cloud1 = Shows::Found(provisioning().into())),
            vec![],
        ),
        (
            "another writer has added an address, which is taken back",
            with(&|scene| {
                let ingress = json!([{"ip": "192.0.2.1"}, {"ip": "192.0.2.9"}]);
                scene.service["status"]["loadBalancer"]["ingress"] = ingress;
            }),
            vec![Loss::Address {
                address: "192.0.2.9".into(),
            }],
        ),
    ];
    for (reason, scene, expected) in cases {
        let planned = scene.planned().await;
        let found = losses(&planned.observed, &planned.plan);
        assert_eq!(found, expected, "{reason}: {:?}", planned.plan.actions);
    }
}
