//! The calls that the clouds have received.

use std::time::Duration;

use testbed::cloud::{CloudSimulator, Event, Verb};

use crate::stage::Stage;

/// A moment in the event logs of both clouds.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    sequences: [u64; 2],
    micros: [u64; 2],
}

/// The calls since a mark, of both clouds.
pub struct Calls(Vec<(usize, Event)>);

impl Stage {
    /// Now.
    pub fn mark(&self) -> Mark {
        let clouds = self.test.clouds();
        Mark {
            sequences: clouds.map(CloudSimulator::last_sequence),
            micros: clouds.map(CloudSimulator::micros),
        }
    }

    /// The term of the latest leader that has changed something at a cloud.
    pub fn term(&self) -> u64 {
        let calls = self.test.clouds().map(CloudSimulator::events).concat();
        let terms = calls.iter().filter_map(|call| call.fencing_token);
        terms.max().unwrap_or_default()
    }

    /// The calls since then.
    pub fn calls_since(&self, mark: &Mark) -> Calls {
        let clouds = self.test.clouds().into_iter().enumerate();
        let calls = clouds.flat_map(|(cloud, simulator)| {
            let events = simulator.events_after(mark.sequences[cloud]);
            events.into_iter().map(move |event| (cloud, event))
        });
        Calls(calls.collect())
    }
}

impl Mark {
    /// The time from the mark until the call took effect.
    pub fn until_effect(&self, cloud: usize, call: &Event) -> Option<Duration> {
        let after = call.effect_micros?.saturating_sub(self.micros[cloud]);
        Some(Duration::from_micros(after))
    }
}

impl Calls {
    /// With the number of the cloud, 0 or 1.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Event)> {
        self.0.iter().map(|(cloud, event)| (*cloud, event))
    }

    pub fn count(&self, verb: Verb) -> usize {
        self.iter().filter(|(_, call)| call.verb == verb).count()
    }

    pub fn mutations(&self) -> usize {
        let mutations = self.iter().filter(|(_, call)| call.verb.is_mutation());
        mutations.count()
    }

    /// The time from the mark until the last call that `is_it` took effect.
    pub fn last_effect(&self, mark: &Mark, is_it: impl Fn(&Event) -> bool) -> Option<Duration> {
        let effects = self.iter().filter(|(_, call)| is_it(call));
        effects
            .filter_map(|(cloud, call)| mark.until_effect(cloud, call))
            .max()
    }

    /// The time from the mark until the first call that `is_it` took effect.
    pub fn first_effect(&self, mark: &Mark, is_it: impl Fn(&Event) -> bool) -> Option<Duration> {
        let effects = self.iter().filter(|(_, call)| is_it(call));
        effects
            .filter_map(|(cloud, call)| mark.until_effect(cloud, call))
            .min()
    }
}
