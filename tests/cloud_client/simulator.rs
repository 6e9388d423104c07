//! The client against the simulated cloud, which knows nothing of the client
//! but the API's document.

use std::time::Duration;

use futures::future::join_all;
use my_cloud_controller_manager::cloud::{
    AddressPolicy, Cloud, ErrorKind, Profile, RestCloud, RestSettings, Which,
};
use my_cloud_controller_manager::election::sole_leader;
use my_cloud_controller_manager::plan::load_balancer::State;
use my_cloud_controller_manager::plan::naming::ClusterId;
use my_cloud_controller_manager::priority::Priority;
use testbed::cloud::{
    self, CloudSimulator, CloudSimulatorOptions, Fault, FaultKind, Verb, most_in_flight,
};

use crate::edge::{client, owner, permit, plain_request, rich_request, settings};

async fn simulator(profile: Profile, latency: Duration) -> (CloudSimulator, RestCloud) {
    let options = CloudSimulatorOptions {
        profile: match profile {
            Profile::Standard => cloud::Profile::Standard,
            Profile::Basic => cloud::Profile::Basic,
        },
        latency,
        data_plane: false,
        ..CloudSimulatorOptions::named("cloud1")
    };
    let simulator = CloudSimulator::start(options).await.expect("started");
    let settings = RestSettings {
        concurrency: 3,
        addresses: AddressPolicy {
            // The simulator's addresses are of this machine.
            ranges: vec!["127.0.0.0/8".parse().expect("a range")],
            ..AddressPolicy::default()
        },
        ..settings(&simulator.endpoint(), profile)
    };
    (simulator, client(settings).0)
}

#[tokio::test]
async fn a_load_balancer_lives_and_dies() {
    for profile in [Profile::Standard, Profile::Basic] {
        let (simulator, cloud) = simulator(profile, Duration::ZERO).await;
        let (permit, mut request) = (permit(), plain_request("web"));
        let absent = cloud
            .query(Which::Name(&request.name), Priority::User)
            .await;
        assert!(matches!(absent, Ok(None)), "{profile:?}");

        let created = cloud
            .create(&permit, &request, Priority::User)
            .await
            .expect("created");
        let id = &created.id;
        assert_eq!(
            (&created.spec, &created.state),
            (&request.spec, &State::Active)
        );
        assert!(!created.addresses.is_empty(), "{profile:?}");
        let again = cloud
            .create(&permit, &request, Priority::User)
            .await
            .expect("found");
        assert_eq!(again, created, "a create is idempotent by name");

        if profile == Profile::Standard {
            request.spec = rich_request("web").spec;
            // An update does not change it.
            request.spec.internal = Some(false);
        }
        request.spec.bandwidth = "7M".into();
        let updated = cloud
            .update(&permit, &created, &request, Priority::User)
            .await;
        let updated = updated.expect("updated");
        for which in [Which::Id(id), Which::Name(&request.name)] {
            let found = cloud.query(which, Priority::User).await.expect("answered");
            let found = found.expect("found");
            assert_eq!(found, updated, "{profile:?}");
            assert_eq!(found.spec, request.spec, "{profile:?}");
            let known = profile == Profile::Standard;
            assert_eq!(found.owner, known.then(|| request.owner.clone()));
        }

        for reason in ["deleted", "already gone"] {
            cloud.delete(&permit, id).await.expect(reason);
            let absent = cloud.query(Which::Id(id), Priority::User).await;
            assert!(matches!(absent, Ok(None)), "{reason}");
        }
        let gone = cloud
            .update(&permit, &created, &request, Priority::User)
            .await;
        assert_eq!(gone.expect_err("gone").kind(), ErrorKind::NotFound);
        assert!(simulator.inventory().is_empty());
    }
}

#[tokio::test]
async fn a_list_shows_what_was_created() {
    let (_simulator, cloud) = simulator(Profile::Standard, Duration::ZERO).await;
    let permit = permit();
    let mut created = Vec::new();
    for name in ["a", "b", "c"] {
        let request = rich_request(name);
        created.push(
            cloud
                .create(&permit, &request, Priority::User)
                .await
                .expect("created"),
        );
    }
    let listed = cloud.list(&owner("a").cluster).await.expect("listed");
    let mut listed: Vec<_> = listed.iter().cloned().collect();
    listed.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(listed, created);
}

#[tokio::test]
async fn neither_another_owner_nor_an_older_leader_gets_its_way() {
    let (simulator, cloud) = simulator(Profile::Standard, Duration::ZERO).await;
    let (older, newer) = (sole_leader(1), sole_leader(2));
    let permit = newer.permit().expect("leads");
    let request = plain_request("web");
    cloud
        .create(&permit, &request, Priority::User)
        .await
        .expect("created");

    let mut hijack = request.clone();
    hijack.owner = owner("another");
    let error = cloud
        .create(&permit, &hijack, Priority::User)
        .await
        .expect_err("taken");
    assert_eq!(
        (error.kind(), error.is_terminal()),
        (ErrorKind::NameTaken, true)
    );

    let permit = older.permit().expect("believes to lead");
    let error = cloud
        .create(&permit, &request, Priority::User)
        .await
        .expect_err("fenced");
    assert_eq!(
        (error.kind(), error.outcome_unknown()),
        (ErrorKind::Fenced, false)
    );
    assert_eq!(simulator.inventory().len(), 1);
}

#[tokio::test]
async fn no_more_calls_than_configured_reach_the_cloud_at_once() {
    let (simulator, cloud) = simulator(Profile::Standard, Duration::from_millis(20)).await;
    let permit = permit();
    let requests: Vec<_> = (0..30)
        .map(|n| plain_request(&format!("web-{n}")))
        .collect();
    let creates = requests
        .iter()
        .map(|request| cloud.create(&permit, request, Priority::User));
    for created in join_all(creates).await {
        created.expect("created");
    }
    assert_eq!(most_in_flight(&simulator.events()), 3);
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_unknown_and_repeating_it_finds_it() {
    let faults = [
        FaultKind::LoseReply,
        FaultKind::GarbageBody,
        FaultKind::OversizedBody { bytes: 2 << 20 },
        FaultKind::OmitField {
            field: "lbId".into(),
        },
    ];
    for fault in faults {
        let (simulator, cloud) = simulator(Profile::Standard, Duration::ZERO).await;
        simulator.set_fault(Fault::new(fault.clone()).on(Verb::Create).times(1));
        let (permit, request) = (permit(), plain_request("web"));
        let error = cloud
            .create(&permit, &request, Priority::User)
            .await
            .expect_err("lost");
        assert!(error.outcome_unknown(), "{fault:?}: {error}");
        let found = cloud
            .create(&permit, &request, Priority::User)
            .await
            .expect("found");
        assert_eq!(found.spec, request.spec);
        assert_eq!(simulator.inventory().len(), 1, "{fault:?}");
    }
}

/// Terms are resourceVersions of different API servers: a young cluster's are
/// lower than an old one's for years.
#[tokio::test]
async fn terms_of_one_cluster_do_not_fence_another() {
    let (_simulator, cloud) = simulator(Profile::Standard, Duration::ZERO).await;
    let (old, young) = (sole_leader(1_000), sole_leader(2));
    let of_old = plain_request("web");
    let permit = old.permit().expect("leads");
    cloud
        .create(&permit, &of_old, Priority::User)
        .await
        .expect("created");

    let mut of_young = plain_request("shop");
    of_young.owner.cluster = ClusterId::new("young");
    of_young.name = of_young.owner.load_balancer_name();
    let permit = young.permit().expect("leads");
    let made = cloud
        .create(&permit, &of_young, Priority::User)
        .await
        .expect("created");
    cloud.delete(&permit, &made.id).await.expect("deleted");
    let error = cloud
        .create(&permit, &of_old, Priority::User)
        .await
        .expect_err("fenced");
    assert_eq!(error.kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn an_owner_that_is_taken_off_does_not_come_back() {
    let (simulator, cloud) = simulator(Profile::Standard, Duration::ZERO).await;
    let (permit, request) = (permit(), plain_request("web"));
    let created = cloud
        .create(&permit, &request, Priority::User)
        .await
        .expect("created");
    let id = &created.id;
    let refused = simulator.inventory();
    // A cloud without this call changes nothing.
    let released = cloud.release(&permit, id, &request.owner).await;
    assert!(released.is_ok(), "not found counts as done: {released:?}");
    assert_eq!(simulator.inventory(), refused);

    // It shows more of the load balancer from now on.
    simulator.set_capabilities(Some(cloud::Capabilities::all()));
    let before = cloud.query(Which::Id(id), Priority::User).await;
    let before = before.expect("answered").expect("it is there");
    let theirs = cloud.release(&permit, id, &owner("other")).await;
    let kind = theirs.map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::Conflict), "another owner's");
    for _ in 0..2 {
        let released = cloud.release(&permit, id, &request.owner).await;
        released.expect("idempotent");
        let found = cloud.query(Which::Id(id), Priority::User).await;
        let found = found.expect("answered").expect("it is there");
        assert!(!found.belongs_to(&request.owner), "{found:?}");
        assert_eq!(found.spec, before.spec);
        assert_eq!(found.addresses, created.addresses);
    }
    let listed = cloud.list(&request.owner.cluster).await;
    assert!(
        listed.expect("a list").is_empty(),
        "not there for the sweep"
    );
    let again = cloud.create(&permit, &request, Priority::User).await;
    let kind = again.map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::NameTaken), "its name stays taken");
}
