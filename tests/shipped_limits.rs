//! The memory limit of `deploy/` holds what the README promises for it. The kernel
//! enforces it here on the data of the process, which is what grows.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use ipnet::Ipv4Net;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;
use testbed::cloud::{CloudSimulator, CloudSimulatorOptions, Verb};
use testbed::environment::SOON;
use testbed::nodes::{NewNode, delete_node};
use testbed::{Environment, Replica, ReplicaOptions, eventually, repository_path};

/// The row of the README's table for the shipped limit.
const SERVICES: usize = 5_000;
const NODES: usize = 300;
/// Of both clouds and the control plane; a debug build needs its time.
const LATER: Duration = Duration::from_secs(600);
/// Requests that are sent at a time.
const IN_FLIGHT: usize = 32;

/// Services that are none of ours, with as many bytes of annotations as the API takes, or of
/// source ranges.
const JUNK: usize = 400;
const JUNK_BYTES: usize = 250_000;

/// `resources.limits.memory` of the container in `deploy/ccm-deployment.yaml`, in bytes.
fn shipped_limit() -> Result<u64> {
    let text = std::fs::read_to_string(repository_path("deploy/ccm-deployment.yaml"))?;
    let documents = text.split("\n---\n");
    let deployments = documents.filter(|document| document.contains("kind: Deployment"));
    let deployment: Deployment = serde_saphyr::from_str(&deployments.collect::<String>())?;
    let pod = deployment.spec.and_then(|spec| spec.template.spec);
    let containers = pod.context("a pod")?.containers;
    let resources = containers.into_iter().find_map(|one| one.resources);
    let limits = resources.and_then(|resources| resources.limits);
    let limit = limits
        .context("limits")?
        .remove("memory")
        .context("memory")?
        .0;
    let mebibytes: u64 = limit.strip_suffix("Mi").context("in Mi")?.parse()?;
    Ok(mebibytes << 20)
}

async fn environment(name: &str) -> Result<Environment> {
    let range = |cloud: &mut CloudSimulatorOptions| {
        let second = if cloud.name == "cloud1" { 18 } else { 19 };
        let range = Ipv4Net::new_assert(Ipv4Addr::new(198, second, 0, 0), 16);
        cloud.addresses = Some(range);
    };
    Environment::for_benchmarks(name, range).await
}

fn limited(test: &Environment, name: &str) -> Result<ReplicaOptions> {
    let mut options = test.replica_options(name);
    options.memory_limit = Some(shipped_limit()?);
    Ok(options)
}

/// Sends requests, some at a time.
async fn each(count: usize, request: impl AsyncFn(usize) -> Result<()>) -> Result<()> {
    let requests = stream::iter(0..count).map(|index| request(index));
    let done = requests.buffer_unordered(IN_FLIGHT);
    done.try_collect::<()>().await
}

/// Waits until the clouds have done so much since then.
async fn until_done(test: &Environment, verb: Verb, since: [u64; 2], count: usize) -> Result<()> {
    let what = format!("{count} {} calls", verb.as_str());
    eventually(&what, LATER, async || {
        let clouds = test.clouds().into_iter().zip(since);
        let done = clouds.flat_map(|(cloud, since)| cloud.events_after(since));
        let done = done.filter(|call| call.verb == verb && call.effect.is_some());
        Ok((done.count() >= count).then_some(()))
    })
    .await
}

fn marks(test: &Environment) -> [u64; 2] {
    test.clouds().map(CloudSimulator::last_sequence)
}

fn ensure_alive(replica: &mut Replica) -> Result<()> {
    let status = replica.exit_status()?;
    ensure!(status.is_none(), "it ended: {status:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", replica.id()))?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("most resident memory: {}", peak.context("VmHWM")?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_holds_what_is_promised_for_it() -> Result<()> {
    let test = environment("shipped-limit").await?;
    each(NODES, async |index| {
        let [.., high, low] = u32::try_from(index + 1)?.to_be_bytes();
        let address = IpAddr::from([127, 20, high, low]);
        let node = NewNode::new(&format!("node-{index}"), address);
        node.create(&test.client()).await.map(drop)
    })
    .await?;
    let start = marks(&test);
    let mut first = Replica::start(limited(&test, "first")?).await?;
    each(SERVICES, async |index| {
        let cloud = ["cloud1", "cloud2"][index % 2];
        let service = test.service(&format!("web-{index}")).provider(cloud);
        service.create().await.map(drop)
    })
    .await?;
    until_done(&test, Verb::Create, start, SERVICES).await?;
    ensure_alive(&mut first)?;

    // A takeover, and a Node that leaves.
    let mut second = Replica::start(limited(&test, "second")?).await?;
    first.terminate()?;
    first.wait_exit(SOON).await?;
    let led = "leader_election_master_status{name=\"my-cloud-controller-manager\"}";
    second.until(led, |leads| leads == 1.0).await?;
    let before = marks(&test);
    delete_node(&test.client(), "node-7").await?;
    until_done(&test, Verb::Update, before, SERVICES).await?;
    ensure_alive(&mut second)?;
    test.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_holds_beside_large_services_of_others() -> Result<()> {
    let test = environment("large-services").await?;
    let node = NewNode::new("node", IpAddr::from([127, 20, 0, 1]));
    node.create(&test.client()).await?;
    let mut running = Replica::start(limited(&test, "running")?).await?;
    let text = "x".repeat(JUNK_BYTES);
    let ranges: Vec<String> = (0..JUNK_BYTES / "\"10.255.255.255/32\",".len())
        .map(|number| format!("10.{}.{}.0/32", number / 256, number % 256))
        .collect();
    each(JUNK, async |index| {
        let junk = test.service(&format!("junk-{index}")).without("enable");
        let junk = match index % 4 {
            0 => junk.field("loadBalancerSourceRanges", json!(ranges)),
            1 => junk.annotation(&format!("{}/text", test.prefix), &text),
            _ => junk
                .field("type", json!("ExternalName"))
                .field("externalName", json!("junk.example"))
                .annotation("example.com/text", &text),
        };
        junk.create().await.map(drop)
    })
    .await?;
    ensure_alive(&mut running)?;
    let mut starts = Replica::start(limited(&test, "starts")?).await?;
    running.terminate()?;
    running.wait_exit(SOON).await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    ensure_alive(&mut starts)?;
    test.stop().await;
    Ok(())
}
