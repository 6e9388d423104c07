//! From the desired and the observed state to the actions.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BenchmarkId, Criterion};
use my_cloud_controller_manager::plan::load_balancer::{Addresses, LoadBalancer, State};
use my_cloud_controller_manager::plan::naming::{CloudName, LoadBalancerId};
use my_cloud_controller_manager::plan::{Action, Backends, CloudView, Desired, Observed, plan};

use crate::service::{clouds, desired_of, service};

const NODES: [u32; 3] = [3, 100, 1_000];

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    for nodes in NODES {
        let (desired, fresh) = fresh(nodes);
        let id = |what| BenchmarkId::new(what, format!("{nodes} Nodes"));
        group.bench_function(id("create"), |bencher| {
            bencher.iter(|| plan(black_box(&desired), black_box(&fresh)));
        });
        let in_sync = in_sync(&desired, fresh);
        assert!(plan(&desired, &in_sync).actions.is_empty());
        group.bench_function(id("nothing to do"), |bencher| {
            bencher.iter(|| plan(black_box(&desired), black_box(&in_sync)));
        });
        let fewer = Observed {
            backends: backends(nodes - 1),
            ..in_sync
        };
        group.bench_function(id("one Node less"), |bencher| {
            bencher.iter(|| plan(black_box(&desired), black_box(&fewer)));
        });
    }
    group.finish();
}

fn backends(nodes: u32) -> Backends {
    let first = u32::from(Ipv4Addr::new(10, 0, 0, 1));
    let addresses = (0..nodes).map(|node| IpAddr::from(Ipv4Addr::from(first + node)));
    Backends {
        addresses: addresses.collect(),
        ..Backends::default()
    }
}

/// A Service without a load balancer.
fn fresh(nodes: u32) -> (Desired, Observed) {
    let service = service();
    let mut observed = Observed::of_service(&service, backends(nodes));
    let cloud = CloudName::new("cloud1");
    observed.clouds.insert(cloud, CloudView::Absent);
    (desired_of(&service, &clouds()), observed)
}

/// The same Service when its load balancer is published.
fn in_sync(desired: &Desired, mut observed: Observed) -> Observed {
    let actions = plan(desired, &observed).actions;
    let requests = actions.iter().filter_map(|action| match action {
        Action::Create { cloud, request } => Some((cloud, request)),
        _ => None,
    });
    for (cloud, request) in requests {
        let created = LoadBalancer {
            id: LoadBalancerId::new("lb-1"),
            name: request.name.clone(),
            owner: Some(request.owner.clone()),
            spec: request.spec.clone(),
            is_understood: true,
            has_other_back_ends: false,
            opaque_listener: None,
            addresses: Addresses {
                ips: vec![Ipv4Addr::new(203, 0, 113, 1).into()],
                ..Addresses::default()
            },
            state: State::Active,
        };
        let view = CloudView::Present(Box::new(created));
        observed.clouds.insert(cloud.clone(), view);
    }
    let wanted = observed.clouds.keys().cloned().collect();
    let publication = observed.publication(&wanted);
    observed.record = publication.record;
    observed.ingress = publication.ingress;
    observed.modes = publication.modes;
    observed
}
