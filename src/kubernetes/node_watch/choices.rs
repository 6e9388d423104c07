//! The choices of Nodes that Services make.

use std::collections::{BTreeSet, HashMap, HashSet};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::plan::naming::ServiceUid;
use crate::plan::node_choice::{Chosen, NodeChoice};

/// Maximum number of choices of Nodes that Services of a cluster may make at the same time.
/// Each has its set of back ends and its hold, about 100 KiB for a thousand Nodes, and costs
/// time at each change of a Node.
pub const CHOICES: usize = 64;

/// The choices of Nodes that Services make, other than that of the configuration.
pub struct NodeChoices {
    of: Mutex<HashMap<ServiceUid, Chosen>>,
    /// There is a new choice.
    new: Notify,
    /// Whether any Service chooses by labels, which the watch of the Nodes keeps only then.
    needs_labels: watch::Sender<bool>,
}

impl Default for NodeChoices {
    fn default() -> Self {
        Self {
            of: Mutex::default(),
            new: Notify::new(),
            needs_labels: watch::channel(false).0,
        }
    }
}

/// There are [`CHOICES`] others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl NodeChoices {
    /// Records the choice of a Service.
    ///
    /// # Errors
    /// [`TooMany`]: the Service keeps the choice that it had.
    pub fn choose(&self, uid: &ServiceUid, chosen: &Chosen) -> Result<(), TooMany> {
        let mut of = self.of.lock();
        if of.get(uid) == Some(chosen) {
            return Ok(());
        }
        let Some(choice) = of_service(chosen) else {
            of.remove(uid);
            return Ok(());
        };
        let others = of.iter().filter(|(other, _)| *other != uid);
        let others: BTreeSet<&NodeChoice> = others.filter_map(|(_, at)| of_service(at)).collect();
        let is_known = others.contains(choice);
        if !is_known && others.len() >= CHOICES {
            return Err(TooMany);
        }
        if !choice.selector.is_everything() {
            self.need_labels();
        }
        of.insert(uid.clone(), chosen.clone());
        if !is_known {
            self.new.notify_one();
        }
        Ok(())
    }

    /// The choice that a Service makes itself.
    pub fn own(&self, uid: &ServiceUid) -> Option<Chosen> {
        self.of.lock().get(uid).cloned()
    }

    /// All choices, each once, and that of the configuration.
    pub(super) fn all(&self) -> BTreeSet<NodeChoice> {
        let of = self.of.lock();
        let all = of.values().filter_map(of_service).cloned();
        all.chain([NodeChoice::default()]).collect()
    }

    /// Completes when there is a new choice.
    pub(super) async fn changed(&self) {
        self.new.notified().await;
    }

    /// Makes the watch of the Nodes keep their labels from now on.
    pub fn need_labels(&self) {
        self.needs_labels
            .send_if_modified(|needs| !std::mem::replace(needs, true));
    }

    /// Whether the labels of Nodes are needed.
    pub(super) fn labels_needed(&self) -> watch::Receiver<bool> {
        self.needs_labels.subscribe()
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.of.lock().remove(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.of.lock().retain(|uid, _| alive.contains(uid));
    }
}

/// The choice that a Service makes itself.
fn of_service(chosen: &Chosen) -> Option<&NodeChoice> {
    match chosen {
        Chosen::These(choice) | Chosen::SomeOf(choice) => {
            Some(choice).filter(|choice| **choice != NodeChoice::default())
        }
        Chosen::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::node_selector::NodeSelector;

    fn these(selector: &str) -> Chosen {
        Chosen::These(NodeChoice {
            selector: NodeSelector::parse(selector).expect("a selector"),
            address_type: None,
        })
    }

    #[test]
    fn the_number_of_choices_has_a_bound_and_that_of_services_has_none() {
        let choices = NodeChoices::default();
        let service = |number: usize| ServiceUid::new(format!("u{number}"));
        let chosen = |number: usize| these(&format!("pool={}", number % CHOICES));
        for number in 0..3 * CHOICES {
            assert_eq!(choices.choose(&service(number), &chosen(number)), Ok(()));
        }
        assert_eq!(choices.all().len(), CHOICES + 1, "and the configuration's");
        let one_more = these("pool=more");
        let late = ServiceUid::new("late");
        assert_eq!(choices.choose(&late, &one_more), Err(TooMany));
        assert_eq!(choices.choose(&late, &these("")), Ok(()), "no choice");
        assert_eq!(choices.choose(&late, &chosen(5)), Ok(()), "a known one");

        for number in [0, CHOICES, 2 * CHOICES] {
            choices.forget(&service(number));
        }
        assert_eq!(choices.choose(&late, &one_more), Ok(()), "one is free");
        assert_eq!(choices.own(&late), Some(one_more));
        assert_eq!(choices.own(&service(0)), None, "forgotten");
        choices.retain(&HashSet::from([late]));
        assert_eq!(choices.all().len(), 2);
    }

    #[test]
    fn a_service_may_change_the_last_choice_that_there_may_be() {
        let choices = NodeChoices::default();
        for number in 0..CHOICES {
            let uid = ServiceUid::new(format!("u{number}"));
            let chosen = these(&format!("pool={number}"));
            assert_eq!(choices.choose(&uid, &chosen), Ok(()));
        }
        let uid = ServiceUid::new("u0");
        assert_eq!(choices.choose(&uid, &these("zone=a")), Ok(()));
        assert_eq!(choices.choose(&uid, &these("zone=b")), Ok(()));
    }
}
