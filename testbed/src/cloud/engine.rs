//! The parts of one cloud, and what every change of it goes through.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Profile;
use super::capabilities::Capabilities;
use super::data_plane::DataPlane;
use super::event::EventLog;
use super::fault::{Fault, Faults};
use super::inventory::{Entry, Inventory};
use super::load_balancer::{LoadBalancer, Plant, State};
use super::refusal::{Code, Refusal};
use super::snapshot;

/// How the cloud behaves when nothing is wrong.
#[derive(Debug)]
pub(super) struct Manner {
    pub(super) name: String,
    pub(super) profile: Profile,
    pub(super) state: Option<PathBuf>,
    pub(super) latency: Duration,
    pub(super) mutation_latency: Duration,
    pub(super) provisioning: Duration,
    pub(super) updating: Duration,
    pub(super) deletion: Duration,
    pub(super) fencing: bool,
    pub(super) token: Option<String>,
}

#[derive(Debug)]
pub(super) struct Engine {
    pub(super) manner: Manner,
    pub(super) events: EventLog,
    pub(super) faults: Faults,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    capabilities: Mutex<Option<Capabilities>>,
    inventory: Mutex<Inventory>,
    data_plane: Option<DataPlane>,
    turn: tokio::sync::Mutex<()>,
}

/// The right to change something. One change at a time, so that inventory,
/// data plane and disk never contradict each other.
pub(super) struct Turn<'a> {
    engine: &'a Arc<Engine>,
    _guard: tokio::sync::MutexGuard<'a, ()>,
}

impl Engine {
    pub(super) fn new(
        manner: Manner,
        capabilities: Option<Capabilities>,
        inventory: Inventory,
        data_plane: Option<DataPlane>,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            manner,
            events: EventLog::new(),
            faults: Faults::default(),
            stop,
            tasks,
            capabilities: Mutex::new(capabilities),
            inventory: Mutex::new(inventory),
            data_plane,
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// What there is. Held only to look, or within a turn.
    pub(super) fn inventory(&self) -> MutexGuard<'_, Inventory> {
        self.inventory.lock()
    }

    /// What the cloud can do; `None` if it does not tell.
    pub(super) fn capabilities(&self) -> Option<Capabilities> {
        self.capabilities.lock().clone()
    }

    pub(super) fn set_capabilities(&self, capabilities: Option<Capabilities>) {
        *self.capabilities.lock() = capabilities;
    }

    /// Waits for the right to change something.
    pub(super) async fn turn(self: &Arc<Self>) -> Turn<'_> {
        Turn {
            engine: self,
            _guard: self.turn.lock().await,
        }
    }

    /// Sets a fault in addition to those that are set.
    pub(super) fn set_fault(&self, fault: Fault) {
        self.faults.add(fault, || self.inventory().shelf().clone());
    }

    /// All load balancers, oldest first.
    pub(super) fn load_balancers(&self) -> Vec<LoadBalancer> {
        let inventory = self.inventory();
        let entries = inventory.shelf().values();
        entries.map(|entry| entry.load_balancer.clone()).collect()
    }

    /// How many load balancers are so.
    pub(super) fn count(&self, is_so: impl Fn(&LoadBalancer) -> bool) -> usize {
        let inventory = self.inventory();
        let entries = inventory.shelf().values();
        entries.filter(|entry| is_so(&entry.load_balancer)).count()
    }

    /// Takes up what a snapshot left: serves it, and ends what had begun.
    pub(super) async fn resume(self: &Arc<Self>) -> Result<(), Refusal> {
        let turn = self.turn().await;
        for found in self.load_balancers() {
            match found.state {
                State::Provisioning => turn.provision_later(&found.id),
                State::Deleting => turn.remove_later(&found.id),
                State::Active | State::Error => {
                    turn.serve(&found.id).await?;
                }
            }
        }
        Ok(())
    }

    /// Adds a load balancer without a call of the API.
    pub(super) async fn plant(self: &Arc<Self>, plant: Plant) -> Result<LoadBalancer, Refusal> {
        let turn = self.turn().await;
        let planted = self.inventory().plant(plant)?;
        turn.finish(&planted.load_balancer.id).await
    }

    /// Changes a load balancer behind its owner's back.
    pub(super) async fn edit(
        self: &Arc<Self>,
        id: &str,
        apply: impl FnOnce(&mut LoadBalancer) + Send,
    ) -> Result<LoadBalancer, Refusal> {
        let turn = self.turn().await;
        self.inventory().change(id, apply)?;
        turn.finish(id).await
    }

    /// Removes a load balancer behind its owner's back.
    pub(super) async fn remove(self: &Arc<Self>, id: &str) -> Result<LoadBalancer, Refusal> {
        let turn = self.turn().await;
        let removed = turn.remove(id).await?;
        turn.save().await?;
        Ok(removed.load_balancer.clone())
    }
}

impl Turn<'_> {
    /// Settles and saves, and gives what came of it.
    async fn finish(&self, id: &str) -> Result<LoadBalancer, Refusal> {
        let served = self.serve(id).await?;
        self.save().await?;
        Ok(served.load_balancer.clone())
    }

    /// Brings the data plane to the state of the inventory.
    pub(super) async fn serve(&self, id: &str) -> Result<Arc<Entry>, Refusal> {
        let entry = self.engine.inventory().by_id(id)?.clone();
        let Some(data_plane) = &self.engine.data_plane else {
            return Ok(entry);
        };
        if entry.load_balancer.state != State::Active {
            data_plane.stop(id).await;
            return Ok(entry);
        }
        let found = &entry.load_balancer;
        match data_plane.serve(id, &found.ips(), &found.settings).await {
            Ok(()) => Ok(entry),
            Err(message) => {
                tracing::error!(cloud = self.engine.manner.name, id, "{message}");
                self.engine.inventory().change(id, |broken| {
                    broken.state = State::Error;
                    broken.message = message;
                })
            }
        }
    }

    /// Ends the provisioning of a load balancer, or an update that takes its time.
    pub(super) async fn activate(&self, id: &str) -> Result<Arc<Entry>, Refusal> {
        self.engine.inventory().apply_postponed(id)?;
        self.engine.inventory().change(id, |ready| {
            ready.state = State::Active;
            ready.message.clear();
        })?;
        self.serve(id).await
    }

    /// Removes a load balancer: no traffic, no entry, and its address is free.
    pub(super) async fn remove(&self, id: &str) -> Result<Arc<Entry>, Refusal> {
        let removed = self.engine.inventory().remove(id)?;
        if let Some(data_plane) = &self.engine.data_plane {
            data_plane.stop(id).await;
        }
        self.engine.inventory().release(&removed);
        Ok(removed)
    }

    /// Ends provisioning once its time is over, if nothing else has.
    pub(super) fn provision_later(&self, id: &str) {
        self.later(id, self.engine.manner.provisioning, State::Provisioning);
    }

    /// Carries an update out once its time is over, if nothing else has.
    pub(super) fn update_later(&self, id: &str) {
        self.later(id, self.engine.manner.updating, State::Provisioning);
    }

    /// Ends a deletion once its time is over, if nothing else has.
    pub(super) fn remove_later(&self, id: &str) {
        self.later(id, self.engine.manner.deletion, State::Deleting);
    }

    fn later(&self, id: &str, delay: Duration, state: State) {
        let (engine, id) = (self.engine.clone(), id.to_owned());
        let stop = engine.stop.clone();
        let later = async move {
            tokio::time::sleep(delay).await;
            let turn = engine.turn().await;
            let entry = engine.inventory().by_id(&id).cloned();
            if entry.is_ok_and(|entry| entry.load_balancer.state == state) {
                let done = match state {
                    State::Deleting => turn.remove(&id).await,
                    _ => turn.activate(&id).await,
                };
                if let Err(refusal) = done.and(turn.save().await) {
                    tracing::error!(cloud = engine.manner.name, id, "{}", refusal.message);
                }
            }
        };
        self.engine
            .tasks
            .spawn(stop.run_until_cancelled_owned(later));
    }

    /// Writes the state to disk, where that was asked for.
    pub(super) async fn save(&self) -> Result<(), Refusal> {
        let Some(path) = &self.engine.manner.state else {
            return Ok(());
        };
        let snapshot = self.engine.inventory().snapshot();
        snapshot::save(path, &snapshot).await.map_err(|error| {
            tracing::error!(cloud = self.engine.manner.name, "{error:#}");
            Refusal::new(
                Code::Internal,
                format!("the state was not saved: {error:#}"),
            )
        })
    }
}
