//! A cloud that does what its API promises: a create is idempotent by name;
//! what was deleted is gone, on a slow cloud a little later.

use std::net::IpAddr;

use my_cloud_controller_manager::plan::CreateRequest;
use my_cloud_controller_manager::plan::load_balancer::{Addresses, LoadBalancer, State};
use my_cloud_controller_manager::plan::naming::{CloudName, LoadBalancerId};

use crate::executor::Failed;
use crate::expected::owner;
use crate::scene::There;

/// A cloud.
#[derive(Clone, Debug)]
pub struct Cloud {
    pub ours: Vec<LoadBalancer>,
    /// Whether our name is somebody else's there.
    pub name_taken: bool,
    pub silent: bool,
    slow: bool,
    created: u8,
}

impl Cloud {
    pub fn new(ours: Option<LoadBalancer>, there: There, slow: bool) -> Self {
        Self {
            ours: ours.into_iter().collect(),
            name_taken: there == There::SomebodyElses,
            silent: there == There::Silent,
            slow,
            created: 0,
        }
    }

    pub fn create(
        &mut self,
        name: &CloudName,
        request: &CreateRequest,
    ) -> Result<LoadBalancer, Failed> {
        if self.name_taken && request.name == owner().load_balancer_name() {
            return Err(Failed);
        }
        if let Some(existing) = self.ours.iter().find(|ours| ours.name == request.name) {
            return Ok(existing.clone());
        }
        self.created += 1;
        let id = LoadBalancerId::new(format!("lb-new-{}-{name}", self.created));
        let (state, addresses) = if self.slow {
            (State::Provisioning, Addresses::default())
        } else {
            (State::Active, address_of(&id))
        };
        let created = LoadBalancer {
            id,
            name: request.name.clone(),
            owner: Some(request.owner.clone()),
            spec: request.spec.clone(),
            addresses,
            state,
        };
        self.ours.push(created.clone());
        Ok(created)
    }

    pub fn delete(&mut self, id: &LoadBalancerId) {
        if !self.slow {
            self.ours.retain(|ours| ours.id != *id);
        } else if let Some(ours) = self.find(id) {
            ours.state = State::Deleting;
        }
    }

    /// What was under way is done.
    pub fn time_goes_by(&mut self) {
        self.ours.retain(|ours| ours.state != State::Deleting);
        for ours in &mut self.ours {
            if ours.state == State::Provisioning {
                ours.state = State::Active;
            }
            if ours.state == State::Active && ours.addresses.is_empty() {
                ours.addresses = address_of(&ours.id);
            }
        }
    }

    pub fn find(&mut self, id: &LoadBalancerId) -> Option<&mut LoadBalancer> {
        self.ours.iter_mut().find(|ours| ours.id == *id)
    }
}

/// One address for each id.
fn address_of(id: &LoadBalancerId) -> Addresses {
    let sum = id.as_str().bytes().map(u16::from).sum::<u16>();
    let [high, low] = sum.to_be_bytes();
    Addresses {
        ips: vec![IpAddr::from([198, 18, high, low])],
        hostname: None,
    }
}
