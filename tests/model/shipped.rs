//! The shipped code before a plan is carried out, called with the world's
//! values. Everything here is a pure function, so each result is memoized.

use my_cloud_controller_manager::plan::execution::Execution;
use my_cloud_controller_manager::plan::orphan::{Claim, Shown, suspect};
use my_cloud_controller_manager::plan::record::Publication;
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{
    CloudView, Desired, Observed, Plan, Waiting, clouds_to_query, desired, plan,
};

use crate::execution;
use crate::memo::Memo;
use crate::names;
use crate::rules::Rule;
use crate::shared::{Pool, Shared};
use crate::state::{Balancer, CLOUDS, Facts, Id};

static PUBLICATIONS: Pool<Publication> = Pool::new();

/// A [`CloudView`] in the world's own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObservedCloud {
    NotQueried,
    Absent,
    Present(Balancer),
    NameTaken,
    Unreachable,
    Unanswered,
}

pub type ObservedClouds = [ObservedCloud; CLOUDS as usize];

/// What a reconcile looks up for a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Whether the Service is the controller's.
    pub is_ours: bool,
    /// The clouds to query about it, as bits.
    pub clouds: u8,
    /// The recorded ids.
    pub recorded: [Option<Id>; CLOUDS as usize],
}

/// The result of `plan()`.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// The execution of the plan; `None` if the plan has no actions.
    pub execution: Option<Shared<Execution>>,
    /// Whether the plan has no actions and waits for nothing that may come by itself.
    pub is_at_rest: bool,
}

type ToPlan = (Facts, ObservedClouds, Option<Rule>);

thread_local! {
    static LOOKUPS: Memo<Facts, Lookup> = Memo::default();
    static PLANS: Memo<ToPlan, Planned> = Memo::default();
    static SUSPECTS: Memo<(Balancer, Option<u8>), bool> = Memo::default();
}

/// The handle of a record and addresses.
pub fn intern(publication: Publication) -> Shared<Publication> {
    PUBLICATIONS.share(publication)
}

/// The shipped `desired()`.
fn desired_by(view: &ServiceView) -> Desired {
    desired(view, &names::cluster(), &names::clouds())
}

/// The shipped `desired()` and `clouds_to_query()`.
pub fn lookup(facts: Facts) -> Lookup {
    let compute = |facts| {
        let (view, clouds) = (names::service(facts), names::clouds());
        let desired = desired_by(&view);
        let to_query = clouds_to_query(&view, &desired, &clouds);
        let recorded = |cloud| view.record.get(&names::cloud_name(cloud));
        Lookup {
            is_ours: !matches!(desired, Desired::Unmanaged(_)),
            clouds: to_query
                .iter()
                .map(|cloud| 1 << names::cloud_number(cloud))
                .sum(),
            recorded: [0, 1].map(|cloud| recorded(cloud).map(names::id_number)),
        }
    };
    LOOKUPS.with(|memo| memo.get(facts, compute))
}

/// The shipped `plan()`, without the actions that keep the broken rule.
pub fn plan_for(facts: Facts, observed_clouds: ObservedClouds, broken: Option<Rule>) -> Planned {
    let compute = |(facts, observed_clouds, broken): ToPlan| {
        let view = names::service(facts);
        let mut observed = Observed::of_service(&view, names::backends());
        for (cloud, seen) in (0_u8..).zip(observed_clouds) {
            let view = match seen {
                ObservedCloud::NotQueried => continue,
                ObservedCloud::Absent => CloudView::Absent,
                ObservedCloud::Present(found) => {
                    CloudView::Present(Box::new(names::load_balancer(found)))
                }
                ObservedCloud::NameTaken => CloudView::NameTaken,
                ObservedCloud::Unreachable => CloudView::Unreachable,
                ObservedCloud::Unanswered => CloudView::Unanswered,
            };
            observed.clouds.insert(names::cloud_name(cloud), view);
        }
        let desired = desired_by(&view);
        let mut plan = plan(&desired, &observed);
        if let Some(rule) = broken {
            rule.remove_from(&mut plan);
        }
        let is_at_rest = is_at_rest(&plan);
        let (mut execution, _) = Execution::new(plan, observed);
        execution.publish_early();
        Planned {
            execution: execution::share(execution),
            is_at_rest,
        }
    };
    PLANS.with(|memo| memo.get((facts, observed_clouds, broken), compute))
}

/// The shipped `suspect()`, for a watch that shows at most one Service.
pub fn is_suspect(found: Balancer, watched: Option<u8>) -> bool {
    SUSPECTS.with(|memo| {
        memo.get((found, watched), |(found, watched)| {
            let (found, cloud) = (
                names::load_balancer(found),
                names::cloud_name(found.id.cloud),
            );
            let owner = found.owner.as_ref().map(|owner| &owner.uid);
            let watched = watched.map(|uid| names::owner(uid).uid);
            let claim = Claim {
                is_managed: true,
                ..Claim::default()
            };
            let claim = (watched.as_ref() == owner).then_some(claim);
            let shown = Shown::new(&cloud, [&found]);
            suspect(&found, &names::cluster(), claim.as_ref(), &shown).is_some()
        })
    })
}

fn is_at_rest(plan: &Plan) -> bool {
    let stays = |reason: &Waiting| matches!(reason, Waiting::NameTaken(_));
    plan.actions.is_empty() && plan.waiting.iter().all(stays)
}
