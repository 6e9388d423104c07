//! The normal form of a state.

use crate::rules::Rule;
use crate::state::{Object, Request, State};
use crate::world::World;

impl State {
    /// Brings states that nothing can distinguish to one form: requests that can
    /// no longer have an effect are dropped, resourceVersions are numbered from
    /// zero, and replicas have no order.
    pub fn normalise(&mut self, world: &World) {
        self.balancers.sort_unstable();
        let (service, balancers) = (self.service, std::mem::take(&mut self.balancers));
        self.requests.retain(|request| match request {
            Request::Create { .. } => true,
            Request::Update { id, .. }
            | Request::Delete { id }
            | Request::Release { id }
            | Request::Undo { id } => balancers.iter().any(|found| found.id == *id),
            Request::Patch { from, .. } => {
                let fits = |live: Object| live.version == *from || !world.keeps(Rule::Precondition);
                service.is_some_and(fits)
            }
        });
        self.balancers = balancers;
        self.requests.sort_unstable();
        if self.faults == 0 {
            self.earlier = None;
        }
        for replica in &mut self.replicas {
            replica.inventory.sort_unstable();
            // It writes nothing, so its version does not matter.
            for left in &mut replica.left {
                left.object.version = 0;
            }
            replica.left.sort_unstable();
            let shown = replica.cache.flatten();
            // Mirrors `MutationCache::newest` and `Memory::forget`.
            replica.own_write = replica.own_write.filter(|own| {
                shown.is_some_and(|shown| {
                    shown.facts.uid == own.facts.uid && shown.version < own.version
                })
            });
        }
        self.renumber();
        self.replicas.sort_unstable();
    }

    /// The newest resourceVersion in this state. In normal form they are
    /// numbered without gaps, so it stays below 256.
    pub fn newest_version(&self) -> u8 {
        let replicas = self.replicas.iter().flat_map(|replica| {
            let run = replica.run.map(|run| run.object);
            [replica.cache.flatten(), replica.own_write, run]
        });
        let objects = replicas.chain([self.service, self.earlier]).flatten();
        let patches = self.requests.iter().map(|request| match request {
            Request::Patch { from, .. } => *from,
            _ => 0,
        });
        let versions = objects.map(|object| object.version).chain(patches);
        versions.max().unwrap_or(0)
    }

    fn renumber(&mut self) {
        let mut used = [false; 256];
        self.for_each_version(|version| used[usize::from(*version)] = true);
        let mut numbers = [0_u8; 256];
        let mut next = 0;
        for (version, is_used) in used.into_iter().enumerate() {
            numbers[version] = next;
            next += u8::from(is_used);
        }
        self.for_each_version(|version| *version = numbers[usize::from(*version)]);
    }

    fn for_each_version(&mut self, mut visit: impl FnMut(&mut u8)) {
        let objects = [&mut self.service, &mut self.earlier].into_iter().flatten();
        objects.for_each(|object| visit(&mut object.version));
        for replica in &mut self.replicas {
            let seen = [
                replica.cache.as_mut().and_then(Option::as_mut),
                replica.own_write.as_mut(),
            ];
            seen.into_iter()
                .flatten()
                .for_each(|object| visit(&mut object.version));
            if let Some(run) = &mut replica.run {
                visit(&mut run.object.version);
            }
        }
        for request in &mut self.requests {
            if let Request::Patch { from, .. } = request {
                visit(from);
            }
        }
    }
}
