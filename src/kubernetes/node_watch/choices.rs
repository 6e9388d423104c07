//! The choices of Nodes that Services make.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::plan::naming::ServiceUid;
use crate::plan::node_choice::{Chosen, NodeChoice};
use crate::plan::node_selector::NodeSelector;

/// Maximum number of selectors, each with a type of address, by which Services of a cluster may
/// choose Nodes at the same time. Each has its set of back ends and its hold, about 100 KiB for
/// a thousand Nodes, and costs time at each change of a Node. Choices of all Nodes do not
/// count: there is one for each type of address.
pub const CHOICES: usize = 64;

/// The choices of Nodes that Services make, other than that of the configuration.
pub struct NodeChoices {
    made: Mutex<AllMade>,
    /// There is a new choice.
    new: Notify,
    /// There may be another choice, for which Services wait.
    free: Notify,
    /// Whether any Service chooses by labels, which the watch of the Nodes keeps only then.
    needs_labels: watch::Sender<bool>,
}

/// The choice of a Service.
struct Made {
    chosen: Chosen,
    /// Whether that is in the place of one for which there is no room.
    is_refused: bool,
}

impl Default for NodeChoices {
    fn default() -> Self {
        Self {
            made: Mutex::default(),
            new: Notify::new(),
            free: Notify::new(),
            needs_labels: watch::channel(false).0,
        }
    }
}

/// The choices of all Services.
#[derive(Default)]
struct AllMade {
    of: HashMap<ServiceUid, Made>,
    /// How many Services follow each choice: a mass of Services must not walk through itself.
    followers: BTreeMap<NodeChoice, usize>,
    refused: usize,
}

impl AllMade {
    fn insert(&mut self, uid: ServiceUid, made: Made) {
        self.remove(&uid);
        if let Some(choice) = of_service(&made.chosen) {
            *self.followers.entry(choice.clone()).or_default() += 1;
        }
        self.refused += usize::from(made.is_refused);
        self.of.insert(uid, made);
    }

    fn remove(&mut self, uid: &ServiceUid) -> Option<Made> {
        let made = self.of.remove(uid)?;
        self.refused -= usize::from(made.is_refused);
        if let Some(choice) = of_service(&made.chosen)
            && let Some(count) = self.followers.get_mut(choice)
        {
            *count -= 1;
            if *count == 0 {
                self.followers.remove(choice);
            }
        }
        Some(made)
    }

    /// Whether there is no room for a choice that nobody follows.
    fn is_full(&self) -> bool {
        let counted = self.followers.keys().filter(|choice| is_counted(choice));
        counted.count() >= CHOICES
    }
}

/// There are [`CHOICES`] others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// What the Service follows instead: of the back ends that it has, those leave that are no
    /// Nodes any more.
    pub instead: Chosen,
}

impl NodeChoices {
    /// Records the choice of a Service. Those that were made earlier come first.
    ///
    /// # Errors
    /// [`TooMany`]: the choice is not followed; [`Self::freed`] tells when it may be.
    pub fn choose(&self, uid: &ServiceUid, chosen: &Chosen) -> Result<(), TooMany> {
        let mut all = self.made.lock();
        let is_as_before = match all.of.get(uid) {
            None => of_service(chosen).is_none(),
            Some(made) => !made.is_refused && made.chosen == *chosen,
        };
        if is_as_before {
            return Ok(());
        }
        let before = all.remove(uid);
        let is_refused = counted(chosen)
            .is_some_and(|choice| all.is_full() && !all.followers.contains_key(choice));
        let chosen = match is_refused {
            true => without_selector(chosen),
            false => chosen.clone(),
        };
        if counted(&chosen).is_some() {
            self.need_labels();
        }
        let choice = of_service(&chosen);
        let before = before.as_ref().and_then(|made| of_service(&made.chosen));
        let is_new =
            |choice: &NodeChoice| before != Some(choice) && !all.followers.contains_key(choice);
        if choice.is_some_and(is_new) {
            self.new.notify_one();
        }
        if choice.is_some() || is_refused {
            let chosen = chosen.clone();
            all.insert(uid.clone(), Made { chosen, is_refused });
        }
        self.tell_if_free(&all);
        match is_refused {
            true => Err(TooMany { instead: chosen }),
            false => Ok(()),
        }
    }

    /// The choice that a Service makes itself, or that it follows instead.
    pub fn own(&self, uid: &ServiceUid) -> Option<Chosen> {
        self.made.lock().of.get(uid).map(|made| made.chosen.clone())
    }

    /// Whether the choice of a Service is one too many.
    pub fn is_refused(&self, uid: &ServiceUid) -> bool {
        let all = self.made.lock();
        all.of.get(uid).is_some_and(|made| made.is_refused)
    }

    /// All choices, each once, and that of the configuration.
    pub(super) fn all(&self) -> BTreeSet<NodeChoice> {
        let all = self.made.lock();
        let followed = all.followers.keys().cloned();
        followed.chain([NodeChoice::default()]).collect()
    }

    /// Completes when there is a new choice.
    pub(super) async fn changed(&self) {
        self.new.notified().await;
    }

    /// Completes when there is room for a choice that was refused.
    pub async fn freed(&self) {
        self.free.notified().await;
    }

    fn tell_if_free(&self, all: &AllMade) {
        if all.refused > 0 && !all.is_full() {
            self.free.notify_one();
        }
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
        let mut all = self.made.lock();
        if all.remove(uid).is_some() {
            self.tell_if_free(&all);
        }
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        let mut all = self.made.lock();
        let gone = all.of.keys().filter(|uid| !alive.contains(uid));
        for uid in gone.cloned().collect::<Vec<_>>() {
            all.remove(&uid);
        }
        self.tell_if_free(&all);
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

/// The choice that counts among the [`CHOICES`].
fn counted(chosen: &Chosen) -> Option<&NodeChoice> {
    of_service(chosen).filter(|choice| is_counted(choice))
}

fn is_counted(choice: &NodeChoice) -> bool {
    !choice.selector.is_everything()
}

/// What is left of a choice whose selector nobody follows.
fn without_selector(chosen: &Chosen) -> Chosen {
    match chosen {
        Chosen::These(choice) | Chosen::SomeOf(choice) => Chosen::SomeOf(NodeChoice {
            selector: NodeSelector::default(),
            address_type: choice.address_type,
        }),
        Chosen::Unknown => Chosen::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::node_choice::NodeAddressType;

    fn these(selector: &str) -> Chosen {
        Chosen::These(NodeChoice {
            selector: NodeSelector::parse(selector).expect("a selector"),
            address_type: None,
        })
    }

    /// The refusal of a selector.
    fn too_many() -> TooMany {
        let instead = Chosen::SomeOf(NodeChoice::default());
        TooMany { instead }
    }

    fn uid(number: usize) -> ServiceUid {
        ServiceUid::new(format!("u{number}"))
    }

    /// As many choices as there may be, by the Services of these numbers.
    fn full() -> NodeChoices {
        let choices = NodeChoices::default();
        for number in 0..CHOICES {
            let chosen = these(&format!("pool={number}"));
            assert_eq!(choices.choose(&uid(number), &chosen), Ok(()));
        }
        choices
    }

    #[test]
    fn the_number_of_choices_has_a_bound_and_that_of_services_has_none() {
        let choices = NodeChoices::default();
        let chosen = |number: usize| these(&format!("pool={}", number % CHOICES));
        for number in 0..3 * CHOICES {
            assert_eq!(choices.choose(&uid(number), &chosen(number)), Ok(()));
        }
        assert_eq!(choices.all().len(), CHOICES + 1, "and the configuration's");
        let one_more = these("pool=more");
        let late = ServiceUid::new("late");
        assert_eq!(choices.choose(&late, &one_more), Err(too_many()));
        assert_eq!(choices.choose(&late, &these("")), Ok(()), "no choice");
        assert_eq!(choices.choose(&late, &chosen(5)), Ok(()), "a known one");

        for number in [0, CHOICES, 2 * CHOICES] {
            choices.forget(&uid(number));
        }
        assert_eq!(choices.choose(&late, &one_more), Ok(()), "one is free");
        assert_eq!(choices.own(&late), Some(one_more));
        assert_eq!(choices.own(&uid(0)), None, "forgotten");
        choices.retain(&HashSet::from([late]));
        assert_eq!(choices.all().len(), 2);
    }

    #[test]
    fn a_service_may_change_the_last_choice_that_there_may_be() {
        let choices = full();
        assert_eq!(choices.choose(&uid(0), &these("zone=a")), Ok(()));
        assert_eq!(choices.choose(&uid(0), &these("zone=b")), Ok(()));
    }

    #[test]
    fn all_nodes_by_another_address_are_never_one_choice_too_many() {
        let choices = full();
        let external = NodeChoice {
            selector: NodeSelector::default(),
            address_type: Some(NodeAddressType::External),
        };
        let late = uid(CHOICES);
        let all = Chosen::These(external.clone());
        assert_eq!(choices.choose(&late, &all), Ok(()));
        let some = NodeChoice {
            address_type: external.address_type,
            ..match these("pool=more") {
                Chosen::These(choice) => choice,
                _ => NodeChoice::default(),
            }
        };
        let instead = Chosen::SomeOf(external.clone());
        let refused = TooMany { instead };
        assert_eq!(choices.choose(&late, &Chosen::These(some)), Err(refused));
        assert!(choices.all().contains(&external), "it has a set to follow");
    }

    /// Whether the Services that were refused are told of a free choice.
    async fn is_told(choices: &NodeChoices) -> bool {
        let told = tokio::time::timeout(std::time::Duration::ZERO, choices.freed());
        told.await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_refused_hears_of_a_free_choice() {
        let choices = full();
        choices.forget(&uid(1));
        assert!(!is_told(&choices).await, "nobody waits");
        assert_eq!(choices.choose(&uid(1), &these("pool=1")), Ok(()));

        let (late, one_more) = (uid(CHOICES), these("pool=more"));
        for _ in 0..2 {
            assert_eq!(choices.choose(&late, &one_more), Err(too_many()));
            assert!(choices.is_refused(&late) && !is_told(&choices).await);
        }
        type Frees = fn(&NodeChoices);
        let frees: [(&str, Frees); 4] = [
            ("released", |choices| choices.forget(&uid(1))),
            ("edited", |choices| {
                assert_eq!(choices.choose(&uid(1), &these("pool=2")), Ok(()));
            }),
            ("without a choice", |choices| {
                assert_eq!(choices.choose(&uid(1), &these("")), Ok(()));
            }),
            ("deleted unseen", |choices| {
                let alive = (0..=CHOICES).filter(|number| *number != 1);
                choices.retain(&alive.map(uid).collect());
            }),
        ];
        for (how, frees) in frees {
            frees(&choices);
            assert!(is_told(&choices).await, "{how}");
            assert_eq!(choices.choose(&late, &one_more), Ok(()), "{how}");
            assert!(!choices.is_refused(&late));
            // It gives the choice back, and is refused anew.
            assert_eq!(choices.choose(&late, &these("")), Ok(()));
            assert_eq!(choices.choose(&uid(1), &these("pool=1")), Ok(()));
            assert_eq!(choices.choose(&late, &one_more), Err(too_many()));
            assert!(!is_told(&choices).await);
        }
    }
}
