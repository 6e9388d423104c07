//! Which Nodes a Service wants as back ends, and which of their addresses.

use serde::Serialize;

use super::annotation;
use super::node_selector::NodeSelector;
use super::problem::{Problem, ProblemKind, Subject};
use super::service::ServiceView;

/// The type of the Node address to which load balancers send traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum NodeAddressType {
    /// `InternalIP`.
    #[default]
    Internal,
    /// `ExternalIP`.
    External,
}

impl NodeAddressType {
    pub const ALL: [Self; 2] = [Self::Internal, Self::External];

    /// The value of the annotation `node-address-type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::External => "external",
        }
    }
}

/// Which Nodes a Service wants as back ends, and which of their addresses. The default is
/// that of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct NodeChoice {
    pub selector: NodeSelector,
    /// `None` for that of the configuration.
    pub address_type: Option<NodeAddressType>,
}

/// What is known of a Service's choice of Nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    These(NodeChoice),
    /// The selector is invalid: nobody knows which of these the Service wants.
    SomeOf(NodeChoice),
    /// The type of the address is invalid: nobody knows which addresses it wants.
    Unknown,
}

impl Default for Chosen {
    fn default() -> Self {
        Self::These(NodeChoice::default())
    }
}

/// The choice of a Service, whatever else is wrong with it.
pub fn chosen(service: &ServiceView) -> Chosen {
    let annotations = &service.annotations;
    let Ok(address_type) = annotation::NODE_ADDRESS_TYPE.optional(annotations) else {
        return Chosen::Unknown;
    };
    let choice = |selector| NodeChoice {
        selector,
        address_type,
    };
    match annotation::NODE_SELECTOR.value(annotations) {
        Ok(selector) => Chosen::These(choice(selector)),
        Err(_) => Chosen::SomeOf(choice(NodeSelector::default())),
    }
}

/// The problem of a Service whose choice would be one more than `most`, the number of
/// different choices that may be made at the same time.
pub fn too_many(service: &ServiceView, most: usize) -> Problem {
    let about = [
        &annotation::NODE_SELECTOR.about,
        &annotation::NODE_ADDRESS_TYPE.about,
    ];
    let mut found = about
        .into_iter()
        .filter_map(|about| Some((about, service.annotations.get(about.name)?)));
    let (name, value) = match found.next() {
        Some((about, value)) => (about.name, Some(value.clone())),
        None => (annotation::NODE_SELECTOR.name(), None),
    };
    Problem {
        kind: ProblemKind::Invalid,
        subject: Subject::annotation(name),
        value,
        rule: format!(
            "the Services of this cluster choose Nodes in {most} other ways already, which is the \
             most that this controller follows; use the choice of another Service"
        ),
        example: "no such annotation".to_owned(),
    }
}
