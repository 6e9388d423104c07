//! A cloud that only reads.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::cloud::{Cloud, CloudError, ErrorKind, Listed, Operation, Told, Verb, Which};
use crate::election::WritePermit;
use crate::plan::CreateRequest;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{CloudName, ClusterId, LoadBalancerId, Owner};
use crate::priority::Priority;

/// What a cloud answers to each query; it never expects a write.
#[derive(Clone, Default)]
pub enum Shows {
    #[default]
    Nothing,
    Found(Box<LoadBalancer>),
    Fails,
    Hangs,
}

fn failure(verb: Verb) -> CloudError {
    let cloud = CloudName::new("cloud1");
    CloudError::new(Operation { cloud, verb }, ErrorKind::Connect, "refused")
}

impl Cloud for Shows {
    fn query<'a>(
        &'a self,
        _: Which<'a>,
        _: Priority,
    ) -> BoxFuture<'a, Result<Option<LoadBalancer>, CloudError>> {
        match self {
            Self::Nothing => std::future::ready(Ok(None)).boxed(),
            Self::Found(found) => std::future::ready(Ok(Some(LoadBalancer::clone(found)))).boxed(),
            Self::Fails => std::future::ready(Err(failure(Verb::Query))).boxed(),
            Self::Hangs => std::future::pending().boxed(),
        }
    }

    fn list<'a>(&'a self, _: &'a ClusterId) -> BoxFuture<'a, Result<Listed, CloudError>> {
        match self {
            Self::Found(found) => {
                let found = vec![LoadBalancer::clone(found)];
                std::future::ready(Ok(found.into())).boxed()
            }
            Self::Nothing => std::future::ready(Ok(Listed::default())).boxed(),
            Self::Fails => std::future::ready(Err(failure(Verb::List))).boxed(),
            Self::Hangs => std::future::pending().boxed(),
        }
    }

    fn capabilities(&self) -> BoxFuture<'_, Result<Option<Told>, CloudError>> {
        match self {
            Self::Nothing | Self::Found(_) => std::future::ready(Ok(None)).boxed(),
            Self::Fails => std::future::ready(Err(failure(Verb::Capabilities))).boxed(),
            Self::Hangs => std::future::pending().boxed(),
        }
    }

    fn create<'a>(
        &'a self,
        _: &'a WritePermit,
        _: &'a CreateRequest,
        _: Priority,
    ) -> BoxFuture<'a, Result<LoadBalancer, CloudError>> {
        unreachable!("a preview writes nothing")
    }

    fn update<'a>(
        &'a self,
        _: &'a WritePermit,
        _: &'a LoadBalancer,
        _: &'a CreateRequest,
        _: Priority,
    ) -> BoxFuture<'a, Result<LoadBalancer, CloudError>> {
        unreachable!("a preview writes nothing")
    }

    fn release<'a>(
        &'a self,
        _: &'a WritePermit,
        _: &'a LoadBalancerId,
        _: &'a Owner,
    ) -> BoxFuture<'a, Result<(), CloudError>> {
        unreachable!("a preview writes nothing")
    }

    fn delete<'a>(
        &'a self,
        _: &'a WritePermit,
        _: &'a LoadBalancerId,
    ) -> BoxFuture<'a, Result<(), CloudError>> {
        unreachable!("a preview writes nothing")
    }
}
