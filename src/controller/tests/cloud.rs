//! A cloud that says what it is told to say and remembers what it was asked.

use std::sync::Mutex;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::cloud::{Cloud, CloudError, Priority, Which};
use crate::election::WritePermit;
use crate::plan::CreateRequest;
use crate::plan::load_balancer::{Addresses, LoadBalancer, State};
use crate::plan::naming::{ClusterId, LoadBalancerId};

/// What it says.
#[derive(Default)]
pub(in crate::controller) struct Scripted {
    pub(in crate::controller) by_name: Option<LoadBalancer>,
    pub(in crate::controller) by_id: Option<LoadBalancer>,
    /// A list is never answered.
    pub(in crate::controller) hangs: bool,
    /// Each call that came: its verb, and the id if it has one.
    pub(in crate::controller) calls: Mutex<Vec<String>>,
}

impl Scripted {
    fn note(&self, call: impl Into<String>) {
        self.calls.lock().expect("a lock").push(call.into());
    }

    pub(in crate::controller) fn asked(&self) -> Vec<String> {
        self.calls.lock().expect("a lock").clone()
    }

    /// Those that change something.
    pub(in crate::controller) fn mutations(&self) -> Vec<String> {
        let mut calls = self.asked();
        calls.retain(|call| !call.starts_with("query") && call != "list");
        calls
    }
}

fn waits(priority: Priority) -> &'static str {
    match priority {
        Priority::User => "",
        Priority::Background => ", after users",
    }
}

/// What a cloud makes of a request.
pub(in crate::controller) fn made(request: &CreateRequest, id: &str) -> LoadBalancer {
    LoadBalancer {
        id: LoadBalancerId::new(id),
        name: request.name.clone(),
        owner: Some(request.owner.clone()),
        spec: request.spec.clone(),
        addresses: Addresses {
            ips: vec!["192.0.2.1".parse().expect("an address")],
            hostname: None,
        },
        state: State::Active,
    }
}

impl Cloud for Scripted {
    fn query<'a>(
        &'a self,
        which: Which<'a>,
        _: Priority,
    ) -> BoxFuture<'a, Result<Option<LoadBalancer>, CloudError>> {
        let found = match which {
            Which::Name(_) => {
                self.note("query by name");
                self.by_name.clone()
            }
            Which::Id(id) => {
                self.note(format!("query {id}"));
                let is_gone = self.asked().contains(&format!("delete {id}"));
                self.by_id.clone().filter(|_| !is_gone)
            }
        };
        std::future::ready(Ok(found)).boxed()
    }

    fn list<'a>(
        &'a self,
        _: &'a ClusterId,
    ) -> BoxFuture<'a, Result<Vec<LoadBalancer>, CloudError>> {
        self.note("list");
        if self.hangs {
            return std::future::pending().boxed();
        }
        std::future::ready(Ok(self.by_name.iter().cloned().collect())).boxed()
    }

    fn create<'a>(
        &'a self,
        _: &'a WritePermit,
        request: &'a CreateRequest,
        priority: Priority,
    ) -> BoxFuture<'a, Result<LoadBalancer, CloudError>> {
        self.note(format!("create{}", waits(priority)));
        std::future::ready(Ok(made(request, "lb-new"))).boxed()
    }

    fn update<'a>(
        &'a self,
        _: &'a WritePermit,
        id: &'a LoadBalancerId,
        request: &'a CreateRequest,
        priority: Priority,
    ) -> BoxFuture<'a, Result<LoadBalancer, CloudError>> {
        self.note(format!("update {id}{}", waits(priority)));
        std::future::ready(Ok(made(request, id.as_str()))).boxed()
    }

    fn delete<'a>(
        &'a self,
        _: &'a WritePermit,
        id: &'a LoadBalancerId,
    ) -> BoxFuture<'a, Result<(), CloudError>> {
        self.note(format!("delete {id}"));
        std::future::ready(Ok(())).boxed()
    }
}
