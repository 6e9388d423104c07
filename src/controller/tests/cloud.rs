//! A cloud with scripted responses that records its calls.

use std::sync::Mutex;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::cloud::{Cloud, CloudError, ErrorKind, Listed, Operation, Told, Verb, Which};
use crate::election::WritePermit;
use crate::plan::CreateRequest;
use crate::plan::load_balancer::{Addresses, LoadBalancer, State};
use crate::plan::naming::{CloudName, ClusterId, LoadBalancerId, Owner};
use crate::priority::Priority;

/// The scripted responses and the recorded calls.
#[derive(Default)]
pub(in crate::controller) struct Scripted {
    pub(in crate::controller) by_name: Option<LoadBalancer>,
    pub(in crate::controller) by_id: Option<LoadBalancer>,
    /// What the queries by id after the first one show instead.
    pub(in crate::controller) later: Option<LoadBalancer>,
    /// The failure of each query.
    pub(in crate::controller) hides: Option<ErrorKind>,
    /// The failure of each create and update.
    pub(in crate::controller) refuses: Option<ErrorKind>,
    /// Whether a release is answered with success and has no effect.
    pub(in crate::controller) keeps_owners: bool,
    /// Whether a list never ends.
    pub(in crate::controller) hangs: bool,
    /// The verb of each call, and the id if it has one.
    pub(in crate::controller) calls: Mutex<Vec<String>>,
    /// The last update.
    pub(in crate::controller) updated: Mutex<Option<CreateRequest>>,
}

impl Scripted {
    fn record(&self, call: impl Into<String>) {
        self.calls.lock().expect("a lock").push(call.into());
    }

    fn fail(verb: Verb, kind: Option<ErrorKind>) -> Result<(), CloudError> {
        let cloud = CloudName::new("cloud1");
        kind.map_or(Ok(()), |kind| {
            Err(CloudError::new(Operation { cloud, verb }, kind, "scripted"))
        })
    }

    pub(in crate::controller) fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("a lock").clone()
    }

    /// The calls that change something.
    pub(in crate::controller) fn mutations(&self) -> Vec<String> {
        let mut calls = self.calls();
        calls.retain(|call| !call.starts_with("query") && call != "list");
        calls
    }
}

fn suffix(priority: Priority) -> &'static str {
    match priority {
        Priority::User => "",
        Priority::Background => ", after users",
    }
}

/// The load balancer that a cloud creates for a request.
pub(in crate::controller) fn made(request: &CreateRequest, id: &str) -> LoadBalancer {
    LoadBalancer {
        id: LoadBalancerId::new(id),
        name: request.name.clone(),
        owner: Some(request.owner.clone()),
        spec: request.spec.clone(),
        is_understood: true,
        has_other_back_ends: false,
        opaque_listener: None,
        addresses: Addresses {
            ips: vec!["192.0.2.1".parse().expect("an address")],
            ..Addresses::default()
        },
        state: State::Active,
    }
}

impl Cloud for Scripted {
    fn query<'a>(
        &'a self,
        which: Which<'a>,
        priority: Priority,
    ) -> BoxFuture<'a, Result<Option<LoadBalancer>, CloudError>> {
        let found = match which {
            Which::Name(_) => {
                self.record(format!("query by name{}", suffix(priority)));
                self.by_name.clone()
            }
            Which::Id(id) => {
                let query = format!("query {id}");
                let is_first = !self.calls().iter().any(|call| call.starts_with(&query));
                self.record(format!("{query}{}", suffix(priority)));
                let is_gone = self.calls().contains(&format!("delete {id}"));
                let is_released = self.calls().contains(&format!("release {id}"));
                let is_released = is_released && !self.keeps_owners;
                let later = self.later.as_ref().filter(|_| !is_first);
                let found = later.or(self.by_id.as_ref()).filter(|_| !is_gone);
                let mut found = found.cloned();
                if let Some(found) = found.as_mut().filter(|_| is_released) {
                    found.owner = found.owner.take().map(Owner::former);
                }
                found
            }
        };
        let failed = Self::fail(Verb::Query, self.hides);
        std::future::ready(failed.map(|()| found)).boxed()
    }

    fn list<'a>(&'a self, _: &'a ClusterId) -> BoxFuture<'a, Result<Listed, CloudError>> {
        self.record("list");
        if self.hangs {
            return std::future::pending().boxed();
        }
        let found: Vec<_> = self.by_name.iter().cloned().collect();
        std::future::ready(Ok(found.into())).boxed()
    }

    fn create<'a>(
        &'a self,
        _: &'a WritePermit,
        request: &'a CreateRequest,
        priority: Priority,
    ) -> BoxFuture<'a, Result<LoadBalancer, CloudError>> {
        self.record(format!("create{}", suffix(priority)));
        let failed = Self::fail(Verb::Create, self.refuses);
        std::future::ready(failed.map(|()| made(request, "lb-new"))).boxed()
    }

    fn update<'a>(
        &'a self,
        _: &'a WritePermit,
        before: &'a LoadBalancer,
        request: &'a CreateRequest,
        priority: Priority,
    ) -> BoxFuture<'a, Result<LoadBalancer, CloudError>> {
        let id = before.id.as_str();
        self.record(format!("update {id}{}", suffix(priority)));
        *self.updated.lock().expect("a lock") = Some(request.clone());
        let failed = Self::fail(Verb::Update, self.refuses);
        std::future::ready(failed.map(|()| made(request, id))).boxed()
    }

    fn delete<'a>(
        &'a self,
        _: &'a WritePermit,
        id: &'a LoadBalancerId,
    ) -> BoxFuture<'a, Result<(), CloudError>> {
        self.record(format!("delete {id}"));
        std::future::ready(Ok(())).boxed()
    }

    fn release<'a>(
        &'a self,
        _: &'a WritePermit,
        id: &'a LoadBalancerId,
        _: &'a Owner,
    ) -> BoxFuture<'a, Result<(), CloudError>> {
        self.record(format!("release {id}"));
        std::future::ready(Ok(())).boxed()
    }

    fn capabilities(&self) -> BoxFuture<'_, Result<Option<Told>, CloudError>> {
        std::future::ready(Ok(None)).boxed()
    }
}
