//! The laws of [`plan`](my_cloud_controller_manager::plan): what holds for every
//! Service, whatever the clouds respond.
//!
//! | files | content |
//! |---|---|
//! | [`demand`], [`each_cloud`], [`back_ends`], [`order`], [`published`] | the laws of one plan |
//! | [`scene`], [`generate`] | what a reconcile may observe, and how it is drawn |
//! | [`expected`] | what a Service wants, written without the shipped code |
//! | [`runs`] | the laws of whole runs of one Service |
//! | [`world`], [`cloud`], [`sweep`] | the world that these runs change |
//! | [`executor`], [`fault`] | carries plans out by the shipped `Execution`, with faults |
//! | [`invariants`], [`settled`] | what must hold at every moment, and at the end |
//! | [`node_hold`], [`settling`] | the laws of the never-empty rule, and of its first moments |
//! | [`differences`] | the laws of what a person is shown |
//! | [`several`] | the laws of several Services |
//! | [`story`], [`stories`], [`user`] | what happens to them, how it is drawn, the edits of users |
//! | [`coverage`] | whether the stories are about what the laws are about |

mod back_ends;
mod cloud;
mod coverage;
mod demand;
mod differences;
mod dual_stack;
mod each_cloud;
mod executor;
mod expected;
mod fault;
mod generate;
mod invariants;
mod node_choice;
mod node_hold;
mod order;
mod published;
mod runs;
mod scene;
mod settled;
mod settling;
mod several;
mod stories;
mod story;
mod sweep;
mod user;
mod world;

use std::collections::BTreeSet;

use my_cloud_controller_manager::plan::naming::CloudName;
use my_cloud_controller_manager::plan::{Action, Observed, Plan};
use proptest::prelude::ProptestConfig;

/// Cases for each law of one Service, unless PROPTEST_CASES asks for more.
const CASES: u32 = 1024;

fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(cases),
        max_shrink_iters: 100_000,
        // A case that failed belongs into the tables of tests, not into a file of seeds.
        failure_persistence: None,
        ..default
    }
}

/// Whether the list of Nodes may be trusted, even if it is empty.
fn is_sure_of_nodes(observed: &Observed) -> bool {
    observed.backends.none_confirmed || !observed.backends.addresses.is_empty()
}

fn on_clouds(plan: &Plan, clouds: &BTreeSet<CloudName>) -> Vec<Action> {
    let on_these = |action: &&Action| action.cloud().is_some_and(|cloud| clouds.contains(cloud));
    plan.actions.iter().filter(on_these).cloned().collect()
}

/// The publication of all of these clouds.
fn publish(clouds: BTreeSet<CloudName>) -> Action {
    let withheld = BTreeSet::new();
    Action::Publish { clouds, withheld }
}
