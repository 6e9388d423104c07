//! The shipped code, called with the world's values. Everything here is a pure
//! function, so each answer is computed once and remembered.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use my_cloud_controller_manager::plan::naming::ServiceUid;
use my_cloud_controller_manager::plan::orphan::suspect;
use my_cloud_controller_manager::plan::record::Publication;
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{
    Action, CloudView, Desired, Observed, Outcome, Plan, Waiting, clouds_to_query, desired, plan,
};

use crate::names;
use crate::rules::Rule;
use crate::script::Script;
use crate::shared::{Pool, Shared};
use crate::state::{Balancer, CLOUDS, Facts, Id};

static PUBLICATIONS: Pool<Publication> = Pool::new();
static OBSERVATIONS: Pool<Observed> = Pool::new();
static SCRIPTS: Pool<Script> = Pool::new();

/// What one cloud was seen to have for the Service: `CloudView` in small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sight {
    NotAsked,
    Absent,
    Present(Balancer),
    NameTaken,
    Unreachable,
}

/// What was seen of every cloud.
pub type Sights = [Sight; CLOUDS as usize];

/// What a Service asks for, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asks {
    /// Whether the controller has anything to do with it.
    pub is_ours: bool,
    /// The clouds to ask about it, as bits.
    pub clouds: u8,
    /// The ids on record.
    pub recorded: [Option<Id>; CLOUDS as usize],
}

/// A plan, what it was made from, and all that decided it.
type Planned = (Shared<Observed>, Shared<Script>);
type ToPlan = (Facts, Sights, Option<Rule>);
/// A step of a plan in what was observed, and what it brought.
type Stepped = (Shared<Observed>, Shared<Script>, u8, Option<Balancer>);

thread_local! {
    static ASKS: Memory<Facts, Asks> = Memory::default();
    static PLANS: Memory<ToPlan, Planned> = Memory::default();
    static OUTCOMES: Memory<Stepped, Shared<Observed>> = Memory::default();
    static SAYS: Memory<(Shared<Observed>, Shared<Script>, u8), Shared<Publication>> =
        Memory::default();
    static SUSPECTS: Memory<(Balancer, Option<u8>), bool> = Memory::default();
}

struct Memory<K, V>(RefCell<HashMap<K, V>>);

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Hash + Eq + Copy, V: Copy> Memory<K, V> {
    fn recall(&self, key: K, compute: impl FnOnce(K) -> V) -> V {
        let known = self.0.borrow().get(&key).copied();
        known.unwrap_or_else(|| {
            let value = compute(key);
            self.0.borrow_mut().insert(key, value);
            value
        })
    }
}

/// A record and addresses as a handle.
pub fn publication(publication: Publication) -> Shared<Publication> {
    PUBLICATIONS.share(publication)
}

/// The shipped `desired()`.
fn desired_by(view: &ServiceView) -> Desired {
    desired(view, &names::cluster(), &names::clouds())
}

/// The shipped `desired()` and `clouds_to_ask()`.
pub fn asks(facts: Facts) -> Asks {
    let compute = |facts| {
        let (view, clouds) = (names::service(facts), names::clouds());
        let desired = desired_by(&view);
        let asked = clouds_to_query(&view, &desired, &clouds);
        let recorded = |cloud| view.record.get(&names::cloud_name(cloud));
        Asks {
            is_ours: !matches!(desired, Desired::Unmanaged(_)),
            clouds: asked
                .iter()
                .map(|cloud| 1 << names::cloud_number(cloud))
                .sum(),
            recorded: [0, 1].map(|cloud| recorded(cloud).map(names::id_number)),
        }
    };
    ASKS.with(|memory| memory.recall(facts, compute))
}

/// The shipped `plan()`, after the removal of a rule if there is to be one.
pub fn plan_for(facts: Facts, sights: Sights, broken: Option<Rule>) -> Planned {
    let compute = |(facts, sights, broken): ToPlan| {
        let view = names::service(facts);
        let mut observed = Observed::of_service(&view, names::backends());
        for (cloud, sight) in (0_u8..).zip(sights) {
            let seen = match sight {
                Sight::NotAsked => continue,
                Sight::Absent => CloudView::Absent,
                Sight::Present(found) => CloudView::Present(Box::new(names::load_balancer(found))),
                Sight::NameTaken => CloudView::NameTaken,
                Sight::Unreachable => CloudView::Unreachable,
            };
            observed.clouds.insert(names::cloud_name(cloud), seen);
        }
        let desired = desired_by(&view);
        let mut plan = plan(&desired, &observed);
        if let Some(rule) = broken {
            rule.remove_from(&mut plan);
        }
        (
            OBSERVATIONS.share(observed),
            SCRIPTS.share(Script::of(plan)),
        )
    };
    PLANS.with(|memory| memory.recall((facts, sights, broken), compute))
}

/// The shipped `Observed::record_outcome()`.
pub fn record_outcome(
    observed: Shared<Observed>,
    script: Shared<Script>,
    step: u8,
    found: Option<Balancer>,
) -> Shared<Observed> {
    let compute = |(observed, script, step, found): Stepped| {
        let mut observed = observed.get().clone();
        let outcome = found.map_or(Outcome::Done, |found| {
            Outcome::Found(Box::new(names::load_balancer(found)))
        });
        observed.record_outcome(action(script, step), outcome);
        OBSERVATIONS.share(observed)
    };
    OUTCOMES.with(|memory| memory.recall((observed, script, step, found), compute))
}

/// The shipped `Observed::publication()`, for a publishing step.
pub fn says(observed: Shared<Observed>, script: Shared<Script>, step: u8) -> Shared<Publication> {
    let compute = |(observed, script, step): (Shared<Observed>, Shared<Script>, u8)| match action(
        script, step,
    ) {
        Action::Publish { clouds } => PUBLICATIONS.share(observed.get().publication(clouds)),
        other => panic!("{other:?} publishes nothing"),
    };
    SAYS.with(|memory| memory.recall((observed, script, step), compute))
}

/// The shipped `Observed::serves_on()`, for a waiting step.
pub fn serves(observed: Shared<Observed>, script: Shared<Script>, step: u8) -> bool {
    match action(script, step) {
        Action::AwaitServing { clouds } => observed.get().serves_on(clouds),
        other => panic!("{other:?} waits for nothing"),
    }
}

/// The shipped `suspect()`, with the one Service that the watch shows.
pub fn is_suspect(found: Balancer, known: Option<u8>) -> bool {
    SUSPECTS.with(|memory| {
        memory.recall((found, known), |(found, known)| {
            let services: BTreeSet<ServiceUid> =
                known.map(|uid| names::owner(uid).uid).into_iter().collect();
            suspect(&names::load_balancer(found), &names::cluster(), &services).is_some()
        })
    })
}

/// Whether a plan has nothing to do and waits for nothing that may come by itself.
pub fn is_at_rest(plan: &Plan) -> bool {
    plan.actions.is_empty()
        && plan
            .waiting
            .iter()
            .all(|reason| matches!(reason, Waiting::NameTaken(_)))
}

fn action(script: Shared<Script>, step: u8) -> &'static Action {
    &script.get().plan.actions[usize::from(step)]
}
