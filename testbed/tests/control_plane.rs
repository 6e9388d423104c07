//! The control plane is real, several fit on one machine, and none outlives
//! the program that started it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Service, ServiceAccount};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Error};
use serde_json::{Value, json};
use testbed::nodes::{NewNode, create_node, delete_node, label_node, set_node_ready, taint_node};
use testbed::process::{Output, Process, Program, Signal};
use testbed::{ControlPlane, client_for, eventually};

const SOON: Duration = Duration::from_secs(20);
/// A control plane starts before the command does.
const STARTED: Duration = Duration::from_secs(120);

fn from_json<T: serde::de::DeserializeOwned>(value: Value) -> Result<T> {
    Ok(serde_json::from_value(value)?)
}

/// A ServiceAccount with nothing but its existence, and a client that is it.
async fn service_account(control_plane: &ControlPlane, name: &str) -> Result<Client> {
    let accounts: Api<ServiceAccount> = Api::default_namespaced(control_plane.client());
    let account = from_json(json!({ "metadata": { "name": name } }))?;
    accounts.create(&PostParams::default(), &account).await?;
    let kubeconfig = control_plane
        .service_account_kubeconfig("default", name)
        .await?;
    client_for(&kubeconfig).await
}

#[tokio::test]
async fn two_at_once_are_apart_and_stopping_one_leaves_the_other() -> Result<()> {
    let (one, other) = tokio::try_join!(ControlPlane::start("one"), ControlPlane::start("other"))?;
    let maps = |control_plane: &ControlPlane| -> Api<ConfigMap> {
        Api::default_namespaced(control_plane.client())
    };
    let map = from_json(json!({ "metadata": { "name": "here" } }))?;
    maps(&one).create(&PostParams::default(), &map).await?;
    assert!(maps(&other).get_opt("here").await?.is_none());

    let ids = one.process_ids();
    let directory = one.kubeconfig_path().parent().unwrap().to_owned();
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| runs(*id)) && directory.exists());
    one.stop().await;
    assert!(!ids.iter().any(|id| runs(*id)) && !directory.exists());
    maps(&other).create(&PostParams::default(), &map).await?;
    Ok(())
}

#[tokio::test]
async fn a_service_account_may_do_what_a_role_gives_it_and_the_audit_log_names_it() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    let client = service_account(&control_plane, "reader").await?;
    let services: Api<Service> = Api::default_namespaced(client);
    let refused = services.list(&ListParams::default()).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Api(status) if status.code == 403),
        "{refused}"
    );

    control_plane.apply(READER_ROLE).await?;
    // kube-apiserver learns of roles by a watch of its own.
    eventually("the role to count", SOON, async || {
        Ok(Some(services.list(&ListParams::default()).await?))
    })
    .await?;

    let user = "system:serviceaccount:default:reader";
    let events = control_plane.audit_events()?;
    let lists: Vec<u16> = events
        .iter()
        .filter(|event| event.user == user && event.verb == "list" && event.resource == "services")
        .map(|event| event.code)
        .collect();
    assert_eq!((lists.first(), lists.last()), (Some(&403), Some(&200)));
    assert!(
        !events
            .iter()
            .any(|event| event.user == user && event.is_write())
    );
    Ok(())
}

const READER_ROLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules:
- {apiGroups: [''], resources: [services], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
- {kind: ServiceAccount, name: reader, namespace: default}
";

/// The write that the whole protocol rests on: all in one, and only on what was seen.
#[tokio::test]
async fn one_patch_of_the_status_sets_annotations_finalizers_and_status_or_nothing() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    let services: Api<Service> = Api::default_namespaced(control_plane.client());
    let service = from_json(json!({
        "metadata": { "name": "patched" },
        "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] },
    }))?;
    let created = services.create(&PostParams::default(), &service).await?;
    let seen = created.metadata.resource_version.context("a version")?;
    let patch = Patch::Merge(json!({
        "metadata": {
            "resourceVersion": seen,
            "annotations": { "mycloud.com/lb-id": "lb-1" },
            "finalizers": ["mycloud.com/load-balancer"],
        },
        "status": { "loadBalancer": { "ingress": [{ "ip": "127.21.0.1" }] } },
    }));
    let parameters = PatchParams::default();
    let patched = services
        .patch_status("patched", &parameters, &patch)
        .await?;
    let metadata = &patched.metadata;
    assert_eq!(
        metadata.annotations.as_ref().unwrap()["mycloud.com/lb-id"],
        "lb-1"
    );
    assert_eq!(
        metadata.finalizers.as_deref().unwrap(),
        ["mycloud.com/load-balancer"]
    );
    let balancer = patched.status.unwrap().load_balancer.unwrap();
    assert_eq!(
        balancer.ingress.unwrap()[0].ip.as_deref(),
        Some("127.21.0.1")
    );

    let stale = services.patch_status("patched", &parameters, &patch).await;
    let stale = stale.unwrap_err();
    assert!(
        matches!(&stale, Error::Api(status) if status.code == 409),
        "{stale}"
    );
    Ok(())
}

#[tokio::test]
async fn a_node_is_ready_at_once_and_can_be_changed_and_deleted() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    let client = control_plane.client();
    let nodes: Api<Node> = Api::all(client.clone());
    create_node(&client, "node-a", "127.10.0.1".parse()?, &[("zone", "a")]).await?;
    NewNode::new("node-b", "127.10.0.2".parse()?)
        .external_ip("127.11.0.2".parse()?)
        .create(&client)
        .await?;

    let a = serde_json::to_value(nodes.get("node-a").await?)?;
    assert_eq!(a["metadata"]["labels"]["zone"], "a");
    assert_eq!(a["status"]["conditions"][0]["status"], "True");
    assert_eq!(
        a["spec"].get("taints"),
        None,
        "nobody adds a taint behind our back"
    );
    let b = serde_json::to_value(nodes.get("node-b").await?)?;
    let addresses = json!([
        { "type": "InternalIP", "address": "127.10.0.2" },
        { "type": "ExternalIP", "address": "127.11.0.2" },
    ]);
    assert_eq!(b["status"]["addresses"], addresses);

    taint_node(
        &client,
        "node-a",
        "ToBeDeletedByClusterAutoscaler",
        "NoSchedule",
    )
    .await?;
    set_node_ready(&client, "node-a", false).await?;
    label_node(&client, "node-a", "zone", None).await?;
    let a = serde_json::to_value(nodes.get("node-a").await?)?;
    assert_eq!(
        a["spec"]["taints"][0]["key"],
        "ToBeDeletedByClusterAutoscaler"
    );
    assert_eq!(a["status"]["conditions"][0]["status"], "False");
    assert_eq!(a["metadata"]["labels"].get("zone"), None);

    delete_node(&client, "node-a").await?;
    delete_node(&client, "node-a").await?;
    assert!(nodes.get_opt("node-a").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_refused_object_is_named() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("objects.yaml");
    fs::write(
        &file,
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: fine}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {name: wrong}\nspec: {ports: [{port: 70000}]}\n",
    )?;
    let error = control_plane.apply_file(&file).await.unwrap_err();
    let message = format!("{error:#}");
    assert!(
        message.contains("objects.yaml: applying Service wrong: "),
        "{message}"
    );
    assert!(message.contains("70000"), "{message}");
    Ok(())
}

/// `testbed run` with a command that lets us look at it.
struct Run {
    process: Process,
    said: PathBuf,
    _directory: tempfile::TempDir,
}

impl Run {
    fn start(script: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let said = directory.path().join("said");
        let process = Process::spawn(Program {
            name: "testbed run",
            path: Path::new(env!("CARGO_BIN_EXE_testbed")),
            arguments: ["run", "--", "sh", "-c", script].map(Into::into).to_vec(),
            environment: Vec::new(),
            output: Output::Log(&said),
            remove: None,
        })?;
        Ok(Self {
            process,
            said,
            _directory: directory,
        })
    }

    /// What follows `word=` in the output, once that is there.
    async fn says(&mut self, word: &str) -> Result<String> {
        let start = format!("{word}=");
        eventually(&format!("the output {start}"), STARTED, async || {
            if let Err(ended) = self.process.check_running() {
                return Ok(Some(Err(ended)));
            }
            let text = fs::read_to_string(&self.said)?;
            let whole = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            let found = whole
                .filter_map(|line| line.trim_end().strip_prefix(&start))
                .next_back();
            Ok(found.map(|value| Ok(value.to_owned())))
        })
        .await?
    }
}

#[tokio::test]
async fn a_parent_that_is_killed_leaves_nothing_behind() -> Result<()> {
    let mut run = Run::start("echo dir=${KUBECONFIG%/*}; echo pid=$$; exec sleep 600")?;
    let command: u32 = run.says("pid").await?.parse()?;
    let directory = PathBuf::from(run.says("dir").await?);
    let family = descendants(run.process.id());
    assert!(family.contains(&command), "{family:?}");
    assert!(
        family.len() >= 3,
        "etcd, kube-apiserver and sleep: {family:?}"
    );
    let guards = processes_that_name(&directory);

    run.process.signal(Signal::KILL)?;
    run.process.wait_exit(SOON).await?;
    eventually("everything to be gone", SOON, async || {
        let left: Vec<u32> = family
            .iter()
            .chain(&guards)
            .copied()
            .filter(|id| runs(*id))
            .collect();
        anyhow::ensure!(left.is_empty(), "still there: {left:?}");
        anyhow::ensure!(
            !directory.exists(),
            "{} is still there",
            directory.display()
        );
        Ok(Some(()))
    })
    .await
}

#[tokio::test]
async fn the_command_gets_the_signal_and_its_exit_code_is_ours() -> Result<()> {
    let script =
        "trap 'exit 7' TERM; echo dir=${KUBECONFIG%/*}; echo up=1; while :; do sleep 0.1; done";
    let mut run = Run::start(script)?;
    run.says("up").await?;
    let directory = PathBuf::from(run.says("dir").await?);
    let family = descendants(run.process.id());
    run.process.signal(Signal::TERM)?;
    assert_eq!(run.process.wait_exit(SOON).await?.code(), Some(7));
    assert!(!directory.exists());
    eventually("everything to be gone", SOON, async || {
        Ok((!family.iter().any(|id| runs(*id))).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_127_as_in_a_shell() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command
        .args(["run", "--", "/does/not/exist"])
        .stderr(Stdio::null());
    let status = tokio::task::spawn_blocking(move || command.status());
    assert_eq!(status.await.unwrap().unwrap().code(), Some(127));
}

/// Parent and state of a process, from /proc/ID/stat: `ID (name) STATE PARENT …`.
fn stat(id: u32) -> Option<(u32, char)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// A dead one that nobody has waited for does not run.
fn runs(id: u32) -> bool {
    stat(id).is_some_and(|(_, state)| !matches!(state, 'Z' | 'X'))
}

fn all_processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

fn processes_that_name(directory: &Path) -> Vec<u32> {
    let name = directory.to_string_lossy();
    let names = |id: &u32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&*name)
    };
    all_processes().into_iter().filter(names).collect()
}

fn descendants(ancestor: u32) -> Vec<u32> {
    let all = all_processes();
    let mut family = vec![ancestor];
    // A child is born after its parent, but ids may have wrapped around: look until none is new.
    loop {
        let is_new = |id: &u32| {
            !family.contains(id) && stat(*id).is_some_and(|(parent, _)| family.contains(&parent))
        };
        let new: Vec<u32> = all.iter().copied().filter(is_new).collect();
        if new.is_empty() {
            break;
        }
        family.extend(new);
    }
    family.retain(|id| *id != ancestor);
    family
}
