//! The shipped `Execution` in the world's own numbers: each of its states is a
//! handle, and each transition is memoized.

use my_cloud_controller_manager::plan::execution::{Certainty, Effect, Execution, Reach};
use my_cloud_controller_manager::plan::record::Publication;
use my_cloud_controller_manager::plan::{Action, Outcome};

use crate::memo::Memo;
use crate::names;
use crate::rules::Rule;
use crate::shared::{Pool, Shared};
use crate::shipped;
use crate::state::Balancer;
use crate::step::Step;

static EXECUTIONS: Pool<Execution> = Pool::new();

type ToAdvance = (Shared<Execution>, End, Option<Rule>);

thread_local! {
    static ADVANCES: Memo<ToAdvance, Option<Shared<Execution>>> = Memo::default();
    static STEPS: Memo<Shared<Execution>, Step> = Memo::default();
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

/// An execution after its next effect; `None` if that was the last one.
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
            // Whatever ends a whole plan in this world is a failure of no single cloud. Which
            // cloud may hold an unknown create is ignored: see `properties::has_service`.
            End::Failed => drop(execution.failed(Reach::Action, Certainty::Unknown)),
            End::ServiceChecked { is_gone } => execution.service_checked(is_gone),
            End::Undone => execution.undone(),
        }
        if broken == Some(Rule::FinalizerStaysOnFailure) {
            execution = Rule::release_after_failure(before.get(), execution);
        }
        share(execution)
    };
    ADVANCES.with(|memo| memo.get((execution, end, broken), compute))
}

/// The handle of an execution; `None` if it has ended.
pub fn share(execution: Execution) -> Option<Shared<Execution>> {
    let has_ended = execution.next().is_none();
    (!has_ended).then(|| EXECUTIONS.share(execution))
}

/// The shipped `Execution::next()`.
pub fn step(execution: Shared<Execution>) -> Step {
    STEPS.with(|memo| memo.get(execution, |execution| Step::next_of(execution.get())))
}

/// The shipped `Observed::publication()`, for a publishing step.
pub fn publication(execution: Shared<Execution>) -> Shared<Publication> {
    let compute = |execution: Shared<Execution>| match execution.get().next() {
        Some(Effect::Apply(Action::Publish { clouds })) => {
            shipped::intern(execution.get().observed().publication(clouds))
        }
        other => panic!("{other:?} publishes nothing"),
    };
    PUBLICATIONS.with(|memo| memo.get(execution, compute))
}

/// What a step that adds the finalizer leaves of what was published before.
pub fn announcement(
    execution: Shared<Execution>,
    before: Shared<Publication>,
) -> Shared<Publication> {
    let compute = |(execution, before): (Shared<Execution>, Shared<Publication>)| match execution
        .get()
        .next()
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
    match execution.get().next() {
        Some(Effect::Apply(Action::AwaitServing { clouds })) => {
            execution.get().observed().serves_on(clouds)
        }
        other => panic!("{other:?} waits for nothing"),
    }
}
