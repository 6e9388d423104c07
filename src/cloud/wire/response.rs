//! The load balancer in a response.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;

use super::field::{self, Field, Shown};
use super::ingress;
use super::object::Object;
use super::opaque;
use super::owner::OwnerBody;
use super::spec::ReadSpec;
use crate::cloud::address_policy::AddressPolicy;
use crate::cloud::body::excerpt;
use crate::cloud::{Profile, Which, footprint};
use crate::plan::CreateRequest;
use crate::plan::capabilities::Feature;
use crate::plan::load_balancer::{Addresses, LoadBalancer, LoadBalancerSpec, State};
use crate::plan::naming::{LoadBalancerId, LoadBalancerName, Owner};
use crate::plan::node_addresses::NodeAddresses;

/// A load balancer in a response. Only id, name and owner must be readable: they suffice to
/// delete it. A value of another field that this program does not know costs its field only.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::cloud) struct LoadBalancerBody<'a> {
    #[serde(borrow)]
    lb_id: Field<'a>,
    #[serde(borrow)]
    name: Field<'a>,
    #[serde(borrow)]
    pub(super) nodes: Field<'a>,
    #[serde(borrow)]
    pub(super) port: Field<'a>,
    #[serde(borrow)]
    pub(super) node_port: Field<'a>,
    #[serde(borrow)]
    pub(super) spec: Field<'a>,
    #[serde(borrow)]
    pub(super) bandwidth: Field<'a>,
    #[serde(borrow)]
    ip: Field<'a>,
    // The profile basic does not have the following fields.
    #[serde(borrow)]
    pub(super) listeners: Field<'a>,
    #[serde(borrow)]
    pub(super) algorithm: Field<'a>,
    #[serde(borrow)]
    pub(super) session_affinity: Field<'a>,
    #[serde(borrow)]
    pub(super) source_ranges: Field<'a>,
    #[serde(borrow)]
    pub(super) internal: Field<'a>,
    #[serde(borrow)]
    pub(super) idle_timeout_seconds: Field<'a>,
    #[serde(borrow)]
    pub(super) tags: Field<'a>,
    #[serde(borrow)]
    pub(super) address_families: Field<'a>,
    #[serde(borrow)]
    owner: Field<'a>,
    #[serde(borrow)]
    former_owner: Field<'a>,
    #[serde(borrow)]
    ips: Field<'a>,
    #[serde(borrow)]
    hostname: Field<'a>,
    #[serde(borrow)]
    ingress: Field<'a>,
    #[serde(borrow)]
    state: Field<'a>,
    #[serde(borrow)]
    message: Field<'a>,
}

/// How the responses of a cloud are read.
#[derive(Clone, Debug)]
pub(in crate::cloud) struct Reading<'r> {
    pub(in crate::cloud) profile: Profile,
    pub(in crate::cloud) addresses: &'r AddressPolicy,
    /// What the cloud has told that it can do. A field of the same name may mean something else
    /// to a cloud that lacks its feature: a value that is not known says nothing there.
    pub(in crate::cloud) features: Arc<BTreeSet<Feature>>,
}

/// What counts for the fields that a response lacks.
#[derive(Default)]
struct Assumed<'k> {
    id: Option<&'k LoadBalancerId>,
    name: Option<&'k LoadBalancerName>,
    owner: Option<&'k Owner>,
    spec: Option<&'k LoadBalancerSpec>,
    /// The addresses and the state before an update.
    before: Option<&'k LoadBalancer>,
}

impl LoadBalancerBody<'_> {
    /// Reads the response to a create, which need not repeat the requested state. A
    /// response with a name counts as complete, because it may describe the load balancer
    /// of an earlier create with the same name.
    pub(in crate::cloud) fn created(
        self,
        reading: &Reading<'_>,
        request: &CreateRequest,
    ) -> Result<LoadBalancer, String> {
        let mut assumed = Assumed::default();
        if field::text(self.name) == Shown::Nothing {
            assumed.name = Some(&request.name);
            assumed.spec = Some(&request.spec);
            assumed.owner = Some(&request.owner).filter(|_| reading.profile == Profile::Standard);
        }
        let created = self.read(reading, assumed)?;
        of_name(created, &request.name)
    }

    /// Whether the response to a create shows what was requested and no update can mend, apart
    /// from the addresses, of which none is assumed.
    pub(in crate::cloud) fn shows_immutable(self, request: &CreateRequest) -> bool {
        request.spec.internal.is_none() || self.internal.is_some()
    }

    /// Whether the response to an update shows each field that the update changed. Back ends
    /// do not count: those that are lacking are requested again.
    pub(in crate::cloud) fn shows_changes(
        self,
        reading: &Reading<'_>,
        before: &LoadBalancer,
        request: &CreateRequest,
    ) -> bool {
        let shown = |assumed: &LoadBalancerSpec| {
            let body = self.of_profile(reading.profile);
            let mut spec = body.into_spec(Some(assumed), &reading.features).spec;
            spec.nodes = NodeAddresses::default();
            spec
        };
        shown(&request.spec).is_met_by(&shown(&before.spec))
    }

    /// Reads the response to an update of a load balancer that was `before`. What the
    /// response lacks is what was requested or what was known.
    pub(in crate::cloud) fn updated(
        self,
        reading: &Reading<'_>,
        before: &LoadBalancer,
        request: &CreateRequest,
    ) -> Result<LoadBalancer, String> {
        let assumed = Assumed {
            id: Some(&before.id),
            name: Some(&request.name),
            // The request may have put ours on it.
            owner: match request.owner.is_on_existing() {
                true => Some(&request.owner),
                false => before.owner.as_ref(),
            },
            spec: Some(&request.spec),
            before: Some(before),
        };
        let updated = self.read(reading, assumed)?;
        if updated.id != before.id {
            let (shown, id) = (&updated.id, &before.id);
            return Err(format!("the response describes {shown}, not {id}"));
        }
        of_name(updated, &request.name)
    }

    /// Reads the response to a query.
    pub(in crate::cloud) fn found(
        self,
        reading: &Reading<'_>,
        which: Which<'_>,
    ) -> Result<LoadBalancer, String> {
        let mut assumed = Assumed::default();
        match which {
            Which::Id(id) => assumed.id = Some(id),
            Which::Name(name) => assumed.name = Some(name),
        }
        let found = self.read(reading, assumed)?;
        let matches = match which {
            Which::Id(id) => *id == found.id,
            Which::Name(name) => *name == found.name,
        };
        if !matches {
            return Err(format!(
                "the response describes {} ({})",
                found.name, found.id
            ));
        }
        Ok(found)
    }

    /// Reads an item of a list, which is complete.
    pub(in crate::cloud) fn listed(self, reading: &Reading<'_>) -> Result<LoadBalancer, String> {
        self.read(reading, Assumed::default())
    }

    fn read(self, reading: &Reading<'_>, assumed: Assumed<'_>) -> Result<LoadBalancer, String> {
        self.of_profile(reading.profile).read_all(reading, assumed)
    }

    fn read_all(self, reading: &Reading<'_>, assumed: Assumed<'_>) -> Result<LoadBalancer, String> {
        let id = identifier("lbId", self.lb_id, assumed.id, LoadBalancerId::parse)?;
        let name = identifier("name", self.name, assumed.name, LoadBalancerName::parse)?;
        let owner = match owner(self.owner)? {
            Some(owner) => owner,
            None => match owner(self.former_owner)? {
                Some(former) => former.map(Owner::former),
                None => assumed.owner.cloned(),
            },
        };
        let shown = self.addresses(reading.addresses);
        let state = self.state(assumed.before.filter(|_| shown.is_none()));
        let before = assumed.before.map(|before| before.addresses.clone());
        let ReadSpec {
            spec,
            is_understood,
            has_other_back_ends,
        } = self.into_spec(assumed.spec, &reading.features);
        let listeners = self.listeners;
        let mut read = LoadBalancer {
            id,
            name,
            owner,
            spec,
            is_understood,
            has_other_back_ends,
            opaque_listener: None,
            addresses: shown.or(before).unwrap_or_default(),
            state,
        };
        if read.is_of_others() {
            read.opaque_listener = opaque::listener(listeners, read.existing_owner());
        }
        footprint::check(&read)?;
        Ok(read)
    }

    /// Without the fields that a cloud of this profile does not have.
    fn of_profile(self, profile: Profile) -> Self {
        if profile == Profile::Standard {
            return self;
        }
        Self {
            lb_id: self.lb_id,
            name: self.name,
            nodes: self.nodes,
            port: self.port,
            node_port: self.node_port,
            spec: self.spec,
            bandwidth: self.bandwidth,
            ip: self.ip,
            ..Self::default()
        }
    }

    /// The addresses; `None` if the response shows none.
    fn addresses(&self, policy: &AddressPolicy) -> Option<Addresses> {
        let shown = ingress::shown(self.ip, self.ips, self.hostname, self.ingress);
        (!shown.is_empty()).then(|| policy.addresses(shown))
    }

    /// The state; if the response lacks it, that of the load balancer `before`, else
    /// active.
    fn state(&self, before: Option<&LoadBalancer>) -> State {
        match field::text(self.state) {
            Shown::Nothing => before.map_or(State::Active, |before| before.state.clone()),
            Shown::Value(state) => match state.to_ascii_lowercase().as_str() {
                "active" => State::Active,
                "deleting" => State::Deleting,
                "error" => {
                    let message = field::text(self.message).unwrap_or_default();
                    State::Error(excerpt(message.as_bytes()))
                }
                _ => State::Provisioning,
            },
            // Also for an unknown state of a later API: the load balancer is read again.
            Shown::Unknown => State::Provisioning,
        }
    }
}

/// The owner in a field; `None` if the field is not there, and no owner if it is incomplete.
fn owner(shown: Field<'_>) -> Result<Option<Option<Owner>>, String> {
    match Shown::from(shown) {
        Shown::Nothing => Ok(None),
        Shown::Value(Object(owner)) => OwnerBody::into_owner(owner).map(Some),
        Shown::Unknown => Err("the owner is not an object of texts".into()),
    }
}

fn identifier<T: Clone>(
    field: &str,
    shown: Field<'_>,
    assumed: Option<&T>,
    parse: impl FnOnce(&str) -> Result<T, &'static str>,
) -> Result<T, String> {
    match field::text(shown) {
        Shown::Value(text) => parse(&text).map_err(|rule| {
            let text = excerpt(text.as_bytes());
            format!("the {field} \"{text}\" of the load balancer is invalid: {rule}")
        }),
        Shown::Unknown => Err(format!("the {field} of the load balancer is not a text")),
        Shown::Nothing => assumed
            .cloned()
            .ok_or_else(|| format!("the load balancer has no {field}")),
    }
}

fn of_name(shown: LoadBalancer, name: &LoadBalancerName) -> Result<LoadBalancer, String> {
    if shown.name != *name {
        let shown = shown.name;
        return Err(format!("the response describes {shown}, not {name}"));
    }
    Ok(shown)
}
