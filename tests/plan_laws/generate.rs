//! How scenes and faults are drawn. What is first in a choice is simplest:
//! shrinking ends there.

use my_cloud_controller_manager::plan::annotation;
use my_cloud_controller_manager::plan::naming::ServiceKey;
use my_cloud_controller_manager::plan::record::Record;
use my_cloud_controller_manager::plan::service::{PortView, ServiceView};
use proptest::array::uniform3;
use proptest::bool::weighted;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fault::{Fault, FaultKind};
use crate::scene::{
    Cloud, Kind, Life, Mistake, Nodes, Ours, Pause, Published, Recorded, Scene, There,
};

pub fn scenes() -> impl Strategy<Value = Scene> {
    let kind = prop_oneof![
        9 => Just(Kind::LoadBalancer),
        1 => Just(Kind::ClusterIp),
        1 => Just(Kind::NotEnabled),
        1 => Just(Kind::OtherClass),
    ];
    let mistake = prop_oneof![
        12 => Just(Mistake::None),
        1 => Just(Mistake::Bandwidth),
        1 => Just(Mistake::NodeSelector),
        1 => Just(Mistake::Protocol),
        1 => Just(Mistake::CloudName),
    ];
    let published = prop_oneof![
        Just(Published::Nothing),
        Just(Published::OfCloud1),
        Just(Published::Stale),
    ];
    let pause = prop_oneof![
        12 => Just(Pause::None),
        1 => Just(Pause::On),
        1 => Just(Pause::Unclear),
    ];
    let scene = (
        kind,
        weighted(0.2),
        (mistake, pause),
        weighted(0.8),
        published,
        nodes(),
        uniform3(clouds()),
    );
    scene
        .prop_map(
            |(kind, deleting, (mistake, pause), finalizer, published, nodes, clouds)| Scene {
                kind,
                deleting,
                mistake,
                pause,
                finalizer,
                published,
                nodes,
                clouds,
            },
        )
        // What is drawn is large, and a test draws several on its stack.
        .boxed()
}

pub fn nodes() -> impl Strategy<Value = Nodes> {
    prop_oneof![
        Just(Nodes::Two),
        Just(Nodes::One),
        Just(Nodes::None),
        Just(Nodes::NoneConfirmed),
    ]
}

fn clouds() -> impl Strategy<Value = Cloud> {
    let recorded = prop_oneof![
        3 => Just(Recorded::Nothing),
        3 => Just(Recorded::Id),
        1 => Just(Recorded::WrongId),
    ];
    let there = prop_oneof![
        5 => Just(There::Nothing),
        6 => ours().prop_map(There::Ours),
        1 => Just(There::SomebodyElses),
        1 => Just(There::NotConfigured),
        1 => Just(There::Unreachable),
        1 => Just(There::Unanswered),
    ];
    let cloud = (any::<bool>(), recorded, there, any::<bool>(), any::<bool>());
    cloud.prop_map(|(named, recorded, there, slow, forgetful)| Cloud {
        named,
        recorded,
        there,
        slow,
        forgetful,
    })
}

fn ours() -> impl Strategy<Value = Ours> {
    let life = prop_oneof![
        6 => Just(Life::Active),
        1 => Just(Life::ActiveWithoutAddress),
        1 => Just(Life::Provisioning),
        1 => Just(Life::Error),
        1 => Just(Life::Deleting),
    ];
    let ours = (nodes(), any::<bool>(), life);
    ours.prop_map(|(nodes, other_bandwidth, life)| Ours {
        nodes,
        other_bandwidth,
        life,
    })
}

/// Services with arbitrary text in every field.
pub fn services_with_any_text() -> impl Strategy<Value = ServiceView> {
    let names = prop_oneof![
        Just("enable".to_owned()),
        Just("provider".to_owned()),
        select(&annotation::ALL).prop_map(|about| about.name.to_owned()),
        text(),
    ];
    let values = prop_oneof![
        Just("true".to_owned()),
        Just("cloud1".to_owned()),
        Just("cloud1, cloud2,cloud1".to_owned()),
        select(&annotation::ALL).prop_map(|about| about.example.to_owned()),
        text(),
    ];
    let protocols = prop_oneof![Just("TCP".to_owned()), Just("UDP".to_owned()), text(),];
    let port = (text(), protocols, any::<u16>(), any::<Option<u16>>());
    let port = port.prop_map(|(name, protocol, port, node_port)| PortView {
        name,
        protocol,
        port,
        node_port,
        app_protocol: None,
    });
    let parts = (
        scenes(),
        btree_map(names, values, 0..6),
        vec(port, 0..3),
        vec(text(), 0..3),
        (text(), text()),
        option::of((text(), text())),
    );
    parts.prop_map(
        |(scene, annotations, ports, source_ranges, (namespace, name), record)| {
            let base = scene.service();
            ServiceView {
                key: ServiceKey { namespace, name },
                annotations: base
                    .annotations
                    .clone()
                    .into_iter()
                    .chain(annotations)
                    .collect(),
                ports,
                source_ranges,
                record: record.map_or_else(
                    || base.record.clone(),
                    |(ids, clouds)| Record::parse(Some(&ids), Some(&clouds)),
                ),
                ..base
            }
        },
    )
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z0-9,. -]{1,9}", "\\PC{0,40}"]
}

/// The faults of one to four rounds.
pub fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let kind = prop_oneof![
        Just(FaultKind::FailsBefore),
        Just(FaultKind::FailsAfter),
        Just(FaultKind::CrashAfter),
    ];
    let fault = (0..8_usize, kind, option::of(0..3_usize));
    let fault = fault.prop_map(|(action, kind, unreachable)| Fault {
        action,
        kind,
        unreachable,
    });
    vec(fault, 1..5)
}
