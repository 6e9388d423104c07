//! A cloud that keeps the promises of its API: a create is idempotent by name and
//! refused once the cloud is full; a deleted load balancer is gone, on a slow
//! cloud a little later.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use my_cloud_controller_manager::plan::CreateRequest;
use my_cloud_controller_manager::plan::load_balancer::{
    Addresses, LoadBalancer, LoadBalancerSpec, State,
};
use my_cloud_controller_manager::plan::naming::{
    CloudName, LoadBalancerId, LoadBalancerName, Owner,
};

use crate::executor::Failure;
use crate::expected::{is_of, without_names};

/// A cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cloud {
    pub load_balancers: BTreeMap<LoadBalancerId, LoadBalancer>,
    /// Load balancers that are not ours, as they were from the start.
    pub theirs: Vec<LoadBalancer>,
    /// How many load balancers fit, ours or not; `None` for any number.
    pub quota: Option<usize>,
    pub unreachable: bool,
    pub slow: bool,
    /// Whether it keeps neither owners nor names of listeners.
    pub forgetful: bool,
    /// How often each name was created.
    pub created: BTreeMap<LoadBalancerName, u8>,
}

impl Cloud {
    /// Adds a load balancer that this cloud did not create.
    pub fn put(&mut self, load_balancer: LoadBalancer) {
        let id = load_balancer.id.clone();
        self.load_balancers.insert(id, load_balancer);
    }

    /// Adds a load balancer that is not ours.
    pub fn put_theirs(&mut self, load_balancer: LoadBalancer) {
        self.theirs.push(load_balancer.clone());
        self.put(load_balancer);
    }

    pub fn is_full(&self) -> bool {
        let quota = self.quota.unwrap_or(usize::MAX);
        self.load_balancers.len() >= quota
    }

    pub fn create(
        &mut self,
        name: &CloudName,
        request: &CreateRequest,
    ) -> Result<LoadBalancer, Failure> {
        if let Some(existing) = self.named(&request.name) {
            let is_same = is_of(existing, &request.owner);
            return is_same.then(|| existing.clone()).ok_or(Failure::NotDone);
        }
        if self.is_full() {
            return Err(Failure::Full);
        }
        let count = self.created.entry(request.name.clone()).or_default();
        *count += 1;
        let id = LoadBalancerId::new(format!("{name}/{}/{count}", request.name));
        let (state, addresses) = if self.slow {
            (State::Provisioning, Addresses::default())
        } else {
            (State::Active, address_of(&id))
        };
        let created = LoadBalancer {
            id,
            name: request.name.clone(),
            owner: (!self.forgetful).then(|| request.owner.clone()),
            spec: self.kept(&request.spec),
            is_understood: true,
            has_other_back_ends: false,
            opaque_listener: None,
            addresses,
            state,
        };
        self.put(created.clone());
        Ok(created)
    }

    pub fn update(
        &mut self,
        id: &LoadBalancerId,
        request: &CreateRequest,
    ) -> Result<LoadBalancer, Failure> {
        let spec = self.kept(&request.spec);
        let found = self.load_balancers.get_mut(id).ok_or(Failure::NotDone)?;
        found.spec = spec;
        Ok(found.clone())
    }

    /// The part of a requested spec that it keeps.
    pub fn kept(&self, spec: &LoadBalancerSpec) -> LoadBalancerSpec {
        if self.forgetful {
            without_names(spec.clone())
        } else {
            spec.clone()
        }
    }

    pub fn release(&mut self, id: &LoadBalancerId) {
        if let Some(found) = self.load_balancers.get_mut(id) {
            found.owner = found.owner.take().map(Owner::former);
        }
    }

    pub fn delete(&mut self, id: &LoadBalancerId) {
        if !self.slow {
            self.load_balancers.remove(id);
        } else if let Some(found) = self.load_balancers.get_mut(id) {
            found.state = State::Deleting;
        }
    }

    /// The cloud finishes what it has begun.
    pub fn time_goes_by(&mut self) {
        self.load_balancers
            .retain(|_, found| found.state != State::Deleting);
        for found in self.load_balancers.values_mut() {
            if found.state == State::Provisioning {
                found.state = State::Active;
            }
            if found.state == State::Active && found.addresses.is_empty() {
                found.addresses = address_of(&found.id);
            }
        }
    }

    /// The load balancer of this name.
    pub fn named(&self, name: &LoadBalancerName) -> Option<&LoadBalancer> {
        self.load_balancers
            .values()
            .find(|found| found.name == *name)
    }

    /// The load balancers of this owner.
    pub fn of<'a>(&'a self, owner: &Owner) -> impl Iterator<Item = &'a LoadBalancer> + use<'a> {
        let owner = owner.clone();
        let all = self.load_balancers.values();
        all.filter(move |found| is_of(found, &owner))
    }

    /// Whether a load balancer that is not ours has this owner's name.
    pub fn is_name_taken(&self, owner: &Owner) -> bool {
        let name = owner.load_balancer_name();
        self.theirs.iter().any(|theirs| theirs.name == name)
    }
}

/// One address for each id.
fn address_of(id: &LoadBalancerId) -> Addresses {
    let mut hash = DefaultHasher::new();
    id.hash(&mut hash);
    let [.., high, middle, low] = hash.finish().to_be_bytes();
    Addresses {
        ips: vec![IpAddr::from([198, high, middle, low])],
        ..Addresses::default()
    }
}
