//! A set of replicas that elect a leader among them, as the pods of a Deployment.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::eventually::SOON;
use crate::{Replica, ReplicaOptions, eventually};

/// Replicas, by their place in the set or by the name of their pod.
#[derive(Debug, Default)]
pub struct Replicas(Vec<Member>);

#[derive(Debug)]
struct Member {
    options: ReplicaOptions,
    replica: Replica,
}

impl Replicas {
    /// Starts all of them at once, and does not wait until they are ready.
    ///
    /// # Errors
    /// There is no binary, or no port is free.
    pub fn launch(options: impl IntoIterator<Item = ReplicaOptions>) -> Result<Self> {
        let launch = |options: ReplicaOptions| {
            let replica = Replica::launch(options.clone())?;
            Ok(Member { options, replica })
        };
        Ok(Self(
            options.into_iter().map(launch).collect::<Result<_>>()?,
        ))
    }

    /// Starts all of them at once, and waits until each is ready.
    ///
    /// # Errors
    /// One ended before, or took too long: the message has the end of its log.
    pub async fn start(options: impl IntoIterator<Item = ReplicaOptions>) -> Result<Self> {
        let mut started = Self::launch(options)?;
        started.wait_ready(SOON).await?;
        Ok(started)
    }

    /// Waits until each of them is ready.
    ///
    /// # Errors
    /// As [`Replicas::start`].
    pub async fn wait_ready(&mut self, deadline: Duration) -> Result<()> {
        for Member { options, replica } in &mut self.0 {
            let ready = replica.wait_ready(deadline).await;
            ready.with_context(|| options.name.clone())?;
        }
        Ok(())
    }

    /// All of them, with the names of their pods.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Replica)> {
        let members = self.0.iter();
        members.map(|member| (member.options.name.as_str(), &member.replica))
    }

    /// The place of the replica with this pod name.
    ///
    /// # Errors
    /// There is none.
    pub fn position(&self, name: &str) -> Result<usize> {
        let found = self.iter().position(|(other, _)| other == name);
        found.with_context(|| format!("{name} is none of the replicas"))
    }

    /// The name of the pod at this place.
    #[must_use]
    pub fn name(&self, index: usize) -> &str {
        &self.0[index].options.name
    }

    /// Starts another process in the place of one that has ended or ends now,
    /// as a kubelet would, and does not wait until it is ready.
    ///
    /// # Errors
    /// As [`Replicas::launch`].
    pub fn relaunch(&mut self, index: usize) -> Result<&mut Replica> {
        let Member { options, replica } = &mut self.0[index];
        *replica = Replica::launch(options.clone())?;
        Ok(replica)
    }

    /// The places of those that have ended.
    ///
    /// # Errors
    /// The kernel was asked and refused.
    pub fn ended(&mut self) -> Result<Vec<(usize, ExitStatus)>> {
        let mut ended = Vec::new();
        for (index, member) in self.0.iter_mut().enumerate() {
            if let Some(status) = member.replica.exit_status()? {
                ended.push((index, status));
            }
        }
        Ok(ended)
    }

    /// The place of the replica that leads, if one does, by the metrics of all.
    ///
    /// # Errors
    /// More than one leads, or one does not answer.
    pub async fn leader(&self) -> Result<Option<usize>> {
        let mut leaders = Vec::new();
        for (index, (_, replica)) in self.iter().enumerate() {
            if replica.leads().await? {
                leaders.push(index);
            }
        }
        ensure!(leaders.len() <= 1, "{leaders:?} lead");
        Ok(leaders.pop())
    }

    /// Waits until exactly one of them leads; gives its place.
    ///
    /// # Errors
    /// None did in time, or more than one.
    pub async fn until_led(&self) -> Result<usize> {
        eventually("exactly one leader", SOON, async || self.leader().await).await
    }
}

impl std::ops::Index<usize> for Replicas {
    type Output = Replica;

    fn index(&self, index: usize) -> &Replica {
        &self.0[index].replica
    }
}

impl std::ops::IndexMut<usize> for Replicas {
    fn index_mut(&mut self, index: usize) -> &mut Replica {
        &mut self.0[index].replica
    }
}
