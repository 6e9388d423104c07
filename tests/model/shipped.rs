//! The shipped code, called with the world's values. Everything here is a pure
//! function, so each answer is computed once and remembered.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use my_cloud_controller_manager::plan::execution::{Certainty, Effect, Execution, Reach};
use my_cloud_controller_manager::plan::naming::ServiceUid;
use my_cloud_controller_manager::plan::orphan::suspect;
use my_cloud_controller_manager::plan::record::Publication;
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{
    Action, CloudView, Desired, Observed, Outcome, Plan, Waiting, clouds_to_query, desired, plan,
};

use crate::names;
use crate::rules::Rule;
use crate::shared::{Pool, Shared};
use crate::state::{Balancer, CLOUDS, Facts, Id};
use crate::step::Step;

static PUBLICATIONS: Pool<Publication> = Pool::new();
static EXECUTIONS: Pool<Execution> = Pool::new();
static PLANS: Pool<Plan> = Pool::new();

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

/// A plan.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// Its execution; `None` if it has no actions.
    pub execution: Option<Shared<Execution>>,
    /// The whole plan.
    pub plan: Shared<Plan>,
    /// Whether it has nothing to do and waits for nothing that may come by itself.
    pub is_at_rest: bool,
}

/// How an effect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The action succeeded, with the cloud's response if it asked one.
    Succeeded(Option<Balancer>),
    /// The action failed, waits for something, or got no response.
    Failed,
    /// The live Service was read.
    ServiceChecked { is_gone: bool },
    /// The undoing of a create ended, with or without a response.
    Undone,
}

type ToPlan = (Facts, Sights, Option<Rule>);
type ToAdvance = (Shared<Execution>, End, Option<Rule>);

thread_local! {
    static ASKS: Memory<Facts, Asks> = Memory::default();
    static PLANNED: Memory<ToPlan, Planned> = Memory::default();
    static STEPS: Memory<Shared<Execution>, Step> = Memory::default();
    static ADVANCES: Memory<ToAdvance, Option<Shared<Execution>>> = Memory::default();
    static SAYS: Memory<Shared<Execution>, Shared<Publication>> = Memory::default();
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
        let is_at_rest = is_at_rest(&plan);
        let shared = PLANS.share(plan.clone());
        let (execution, _) = Execution::new(plan, observed);
        Planned {
            execution: share(execution),
            plan: shared,
            is_at_rest,
        }
    };
    PLANNED.with(|memory| memory.recall((facts, sights, broken), compute))
}

/// An execution after its next effect, unless it has ended. What it decides is
/// the shipped code's, but for the rule that is broken.
pub fn advance(
    execution: Shared<Execution>,
    end: End,
    broken: Option<Rule>,
) -> Option<Shared<Execution>> {
    let compute = |(before, end, broken): ToAdvance| {
        let mut execution = before.get().clone();
        match end {
            End::Succeeded(found) => {
                let outcome = found.map_or(Outcome::Done, |found| {
                    Outcome::Found(Box::new(names::load_balancer(found)))
                });
                execution.succeeded(outcome);
            }
            // What ends a whole plan in this world are actions of no single cloud. A create
            // without a response is left to the next list: see `properties::has_service`.
            End::Failed => drop(execution.failed(Reach::Action, Certainty::Unknown)),
            End::ServiceChecked { is_gone } => execution.service_checked(is_gone),
            End::Undone => execution.undone(),
        }
        if broken == Some(Rule::FinalizerStaysOnFailure) {
            execution = Rule::release_after_failure(before.get(), execution);
        }
        share(execution)
    };
    ADVANCES.with(|memory| memory.recall((execution, end, broken), compute))
}

fn share(execution: Execution) -> Option<Shared<Execution>> {
    let has_ended = execution.next().is_none();
    (!has_ended).then(|| EXECUTIONS.share(execution))
}

/// The shipped `Execution::next()`.
pub fn step(execution: Shared<Execution>) -> Step {
    STEPS.with(|memory| memory.recall(execution, |execution| Step::next_of(execution.get())))
}

/// The shipped `Observed::publication()`, for a publishing step.
pub fn says(execution: Shared<Execution>) -> Shared<Publication> {
    let compute = |execution: Shared<Execution>| match execution.get().next() {
        Some(Effect::Apply(Action::Publish { clouds })) => {
            PUBLICATIONS.share(execution.get().observed().publication(clouds))
        }
        other => panic!("{other:?} publishes nothing"),
    };
    SAYS.with(|memory| memory.recall(execution, compute))
}

/// The shipped `Observed::serves_on()`, for a waiting step.
pub fn serves(execution: Shared<Execution>) -> bool {
    match execution.get().next() {
        Some(Effect::Apply(Action::AwaitServing { clouds })) => {
            execution.get().observed().serves_on(clouds)
        }
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

fn is_at_rest(plan: &Plan) -> bool {
    let stays = |reason: &Waiting| matches!(reason, Waiting::NameTaken(_));
    plan.actions.is_empty() && plan.waiting.iter().all(stays)
}
