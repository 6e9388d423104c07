//! The shipped `Execution` in the world's own numbers: each of its states is a
//! handle, and each transition is memoized.

use my_cloud_controller_manager::plan::execution::{Certainty, Effect, Execution, Lane, Reach};
use my_cloud_controller_manager::plan::record::Publication;
use my_cloud_controller_manager::plan::{Action, Outcome};

use crate::memo::Memo;
use crate::names;
use crate::rules::Rule;
use crate::shared::{Pool, Shared};
use crate::shipped;
use crate::state::{Balancer, CLOUDS};
use crate::step::Step;

static EXECUTIONS: Pool<Execution> = Pool::new();

/// A lane of an execution: 0 is the Service, and 1 is the first cloud.
pub type LaneNumber = u8;

type ToAdvance = (Shared<Execution>, LaneNumber, End, Option<Rule>);

/// The number of lanes.
const COUNT: usize = 1 + CLOUDS as usize;

thread_local! {
    static ADVANCES: Memo<ToAdvance, Option<Shared<Execution>>> = Memo::default();
    static LEFT: Memo<Shared<Execution>, Option<Shared<Execution>>> = Memo::default();
    static LANES: Memo<Shared<Execution>, [bool; COUNT]> = Memo::default();
    static STEPS: Memo<(Shared<Execution>, LaneNumber), Step> = Memo::default();
    static ANNOUNCEMENTS: Memo<(Shared<Execution>, Shared<Publication>), Shared<Publication>> = Memo::default();
    static PUBLICATIONS: Memo<Shared<Execution>, Shared<Publication>> = Memo::default();
}

/// How an effect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The action succeeded, with the load balancer in the cloud's response.
    Succeeded(Option<Balancer>),
    /// The action failed, waits for something, or got no response.
    Failed,
    /// The live Service was read.
    ServiceChecked { is_gone: bool },
    /// The undoing of a create ended, with or without a response.
    Undone,
}

/// An execution after the effect in a lane; `None` if that was the last one.
pub fn advance(
    execution: Shared<Execution>,
    lane: LaneNumber,
    end: End,
    broken: Option<Rule>,
) -> Option<Shared<Execution>> {
    let compute = |(before, number, end, broken): ToAdvance| {
        let mut execution = before.get().clone();
        let lane = names::lane(number);
        match end {
            End::Succeeded(found) => {
                let outcome = found.map_or(Outcome::Done, |found| {
                    Outcome::Found(Box::new(names::load_balancer(found)))
                });
                execution.succeeded(&lane, outcome);
            }
            // Whatever ends a whole plan in this world is a failure of no single cloud. Which
            // cloud may hold an unknown create is ignored: see `properties::has_service`.
            End::Failed => drop(execution.failed(&lane, Reach::Action, Certainty::Unknown)),
            End::ServiceChecked { is_gone } => execution.service_checked(is_gone),
            End::Undone => execution.undone(),
        }
        execution.publish_early();
        if broken == Some(Rule::FinalizerStaysOnFailure) {
            execution = Rule::release_after_failure(before.get(), &lane, execution);
        }
        share(execution)
    };
    ADVANCES.with(|memo| memo.get((execution, lane, end, broken), compute))
}

/// The shipped `Execution::leave()`; `None` if a write is under way.
pub fn leave(execution: Shared<Execution>) -> Option<Shared<Execution>> {
    let compute = |before: Shared<Execution>| {
        let mut execution = before.get().clone();
        execution.awaits_only_clouds().then(|| {
            execution.leave();
            EXECUTIONS.share(execution)
        })
    };
    LEFT.with(|memo| memo.get(execution, compute))
}

/// The handle of an execution; `None` if it has ended.
pub fn share(execution: Execution) -> Option<Shared<Execution>> {
    (!execution.has_ended()).then(|| EXECUTIONS.share(execution))
}

/// The lanes in which an effect is under way.
pub fn lanes(execution: Shared<Execution>) -> impl Iterator<Item = LaneNumber> {
    let compute = |execution: Shared<Execution>| {
        let mut lanes = [false; COUNT];
        for lane in execution.get().lanes() {
            lanes[usize::from(names::lane_number(&lane))] = true;
        }
        lanes
    };
    let lanes = LANES.with(|memo| memo.get(execution, compute));
    let lanes = (0..).zip(lanes);
    lanes.filter(|(_, is_busy)| *is_busy).map(|(lane, _)| lane)
}

/// The shipped `Execution::effect()`.
pub fn step(execution: Shared<Execution>, lane: LaneNumber) -> Step {
    let compute = |(execution, lane): (Shared<Execution>, LaneNumber)| {
        let lane = names::lane(lane);
        match execution.get().effect(&lane) {
            Some(effect) => Step::of(effect),
            None => panic!("nothing is under way at {lane:?}"),
        }
    };
    STEPS.with(|memo| memo.get((execution, lane), compute))
}

/// What is under way at the Service.
fn at_service(execution: Shared<Execution>) -> Option<Effect<'static>> {
    execution.get().effect(&Lane::Service)
}

/// The shipped `Execution::publication()`, for a publishing step.
pub fn publication(execution: Shared<Execution>) -> Shared<Publication> {
    let compute = |execution: Shared<Execution>| match execution.get().publication() {
        Some(publication) => shipped::intern(publication.clone()),
        None => panic!("{execution:?} publishes nothing"),
    };
    PUBLICATIONS.with(|memo| memo.get(execution, compute))
}

/// What a step that adds the finalizer leaves of what was published before.
pub fn announcement(
    execution: Shared<Execution>,
    before: Shared<Publication>,
) -> Shared<Publication> {
    let compute =
        |(execution, before): (Shared<Execution>, Shared<Publication>)| match at_service(execution)
        {
            Some(Effect::Apply(Action::AddFinalizer { clouds })) => {
                let mut publication = before.get().clone();
                publication.record.announce(clouds);
                shipped::intern(publication)
            }
            other => panic!("{other:?} announces nothing"),
        };
    ANNOUNCEMENTS.with(|memo| memo.get((execution, before), compute))
}

/// The shipped `Observed::serves_on()`, for a waiting step.
pub fn serves(execution: Shared<Execution>) -> bool {
    match at_service(execution) {
        Some(Effect::Apply(Action::AwaitServing { clouds })) => {
            execution.get().observed().serves_on(clouds)
        }
        other => panic!("{other:?} waits for nothing"),
    }
}
