//! The annotations of a Service, to its desired state.
//!
//! Whatever the values are: only exactly `true` is a yes and only a plain no deletes
//! something; what is sent means what was written; messages are short and on one line.

use std::collections::BTreeMap;

use my_cloud_controller_manager::plan::annotation::{
    ALGORITHM, ENABLE, LB_BANDWIDTH, LB_CLOUD, LB_ID, LB_SPEC, PROVIDER, SOURCE_RANGES,
};
use my_cloud_controller_manager::plan::naming::{ServiceKey, ServiceUid};
use my_cloud_controller_manager::plan::record::Record;
use my_cloud_controller_manager::plan::service::{PortView, ServiceView};

use super::choices::Choices;
use super::desired_state;

/// The names that a digit at the beginning of a line stands for.
const NAMES: [&str; 8] = [
    ENABLE.name(),
    PROVIDER.name(),
    LB_SPEC.name(),
    LB_BANDWIDTH.name(),
    ALGORITHM.name(),
    LB_ID.name,
    LB_CLOUD.name,
    SOURCE_RANGES.name(),
];

/// Six choices about the Service, then the annotations: `0true`, `1cloud1`, or a name that
/// is not known, as in `=name=value`. Each ends with a byte 0, so that a value may have line
/// breaks.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let service = Service {
        is_load_balancer: !choices.flag(),
        finalizer: choices.flag(),
        deleting: choices.flag(),
        class: choices.pick(&[None, Some("other")]),
        ports: choices.pick(&[
            &[("TCP", Some(30080))][..],
            &[("UDP", Some(30080))],
            &[("TCP", Some(30080)), ("UDP", Some(30081))],
            &[("SCTP", Some(30080)), ("TCP", None)],
            &[],
        ]),
        affinity: choices.pick(&[None, Some(600)]),
    };
    let text = String::from_utf8_lossy(choices.rest());
    let annotations = text.split('\0').filter_map(annotation).collect();
    desired_state::check(&service.view(annotations));
}

fn annotation(entry: &str) -> Option<(String, String)> {
    let (choice, value) = entry.split_at_checked(1)?;
    if choice == "=" {
        let (name, value) = value.split_once('=')?;
        return Some((name.to_owned(), value.to_owned()));
    }
    let name = Choices::new(choice.as_bytes()).pick(&NAMES);
    Some((name.to_owned(), value.to_owned()))
}

struct Service<'a> {
    is_load_balancer: bool,
    finalizer: bool,
    deleting: bool,
    class: Option<&'a str>,
    /// The protocol and the node port of each.
    ports: &'a [(&'a str, Option<u16>)],
    affinity: Option<u32>,
}

impl Service<'_> {
    fn view(self, annotations: BTreeMap<String, String>) -> ServiceView {
        let value = |name: &str| annotations.get(name).map(String::as_str);
        let ports = self.ports.iter().zip(80..);
        let ports = ports.map(|(&(protocol, node_port), port)| PortView {
            name: format!("port-{port}"),
            protocol: protocol.to_owned(),
            port,
            node_port,
            app_protocol: None,
        });
        ServiceView {
            key: ServiceKey {
                namespace: "shop".into(),
                name: "web".into(),
            },
            uid: ServiceUid::new("uid"),
            deleting: self.deleting,
            is_load_balancer: self.is_load_balancer,
            class: self.class.map(str::to_owned),
            refused: Vec::new(),
            too_large: Vec::new(),
            ports: ports.collect(),
            source_ranges: Vec::new(),
            client_affinity_seconds: self.affinity,
            ip_families: Default::default(),
            requires_dual_stack: false,
            health_check_node_port: None,
            requested_ip: None,
            defaults: Default::default(),
            offers: Default::default(),
            finalizer: self.finalizer,
            record: Record::parse(value(LB_ID.name), value(LB_CLOUD.name)),
            published: Vec::new(),
            published_modes: Default::default(),
            annotations,
        }
    }
}
