//! The command `plan`: what the controller would do for Services, and why. Reads only.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use kube::Client;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{AppError, Output, api_server, clouds, reads};
use crate::args::{PlanArgs, PlanFormat};
use crate::config::Config;
use crate::error_chain::with_causes;
use crate::kubernetes::node_object::Node;
use crate::kubernetes::node_watch::first_look;
use crate::kubernetes::service_object::Service;
use crate::kubernetes::{KubernetesError, MetadataKeys};
use crate::plan::naming::ServiceKey;
use crate::preview::survey::{Remembered, Survey};
use crate::preview::{Origin, Preview, Report, manifest};
use crate::telemetry::log_throttle::LogThrottle;

/// Number of Services that are planned at once. The clouds have their own limits.
const SERVICES_AT_ONCE: usize = 8;
/// The exit code if a cloud did not answer.
const INCOMPLETE: u8 = 1;
/// The exit code of `--all` if a Service would lose anything.
const LOSS: u8 = 3;

/// Plans the Services that the flags name.
///
/// # Errors
/// The API server failed or a Service does not exist. A cloud that does not answer is in the
/// output.
pub async fn run(config: &Config, flags: &PlanArgs) -> Result<Output, AppError> {
    let command = Command::new(config).await?;
    let cluster = api_server::read_cluster_id(config, &command.client).await;
    let cluster = cluster.map_err(|error| {
        failed(
            "the namespace kube-system, whose UID is the cluster id",
            &error,
        )
    })?;
    let nodes = reads::list::<Node>(&command.client).await;
    let nodes = nodes.map_err(|error| failed("the Nodes", &error))?;
    let never = CancellationToken::new();
    let mut survey = Survey::new(
        cluster,
        command.keys.clone(),
        config.known_clouds(),
        clouds::clients(config, Arc::new(|_| {}), &LogThrottle::default(), &never)?,
        first_look(nodes, config.node_settings()),
    );
    survey.ask_clouds().await;
    if flags.all {
        // Before the Services: one that is deleted in between must not seem to have lost
        // its load balancer.
        survey.list_clouds().await;
    }
    let objects = command.objects(flags).await?;
    let previews = futures::stream::iter(&objects)
        .map(|(object, origin)| survey.preview(object, *origin, Remembered::default()))
        .buffered(SERVICES_AT_ONCE);
    let report = Report {
        previews: previews.collect().await,
        cluster: survey.cluster.clone(),
        replica: None,
    };
    Ok(output(flags, &report, &survey))
}

/// The text, a complaint about each cloud that did not answer, and the exit code.
fn output(flags: &PlanArgs, report: &Report, survey: &Survey) -> Output {
    let text = match flags.output {
        PlanFormat::Json => format!("{:#}\n", report.json()),
        PlanFormat::Text if flags.all => report.table(),
        PlanFormat::Text => report.text(),
    };
    let mut complaints: BTreeSet<String> = BTreeSet::new();
    complaints.extend(survey.silent.values().cloned());
    complaints.extend(survey.out_of_reach.lock().values().cloned());
    for preview in &report.previews {
        if let Preview::Planned(planned) = preview {
            complaints.extend(planned.errors.values().cloned());
        }
    }
    let code = if flags.all && !report.losses().is_empty() {
        LOSS
    } else if complaints.is_empty() {
        0
    } else {
        INCOMPLETE
    };
    Output {
        text,
        complaints: complaints.into_iter().collect(),
        code,
    }
}

struct Command {
    client: Client,
    keys: MetadataKeys,
    /// That of the kubeconfig's context, or of the pod.
    default_namespace: String,
}

impl Command {
    async fn new(config: &Config) -> Result<Self, AppError> {
        let kubernetes = api_server::client_config(config).await?;
        let default_namespace = kubernetes.default_namespace.clone();
        let client = Client::try_from(kubernetes);
        let client = client.map_err(|error| AppError::KubernetesConfig(with_causes(&error)))?;
        let keys = config.metadata_keys();
        Ok(Self {
            client,
            keys,
            default_namespace,
        })
    }

    /// The Services that the flags name.
    async fn objects(&self, flags: &PlanArgs) -> Result<Vec<(Service, Origin)>, AppError> {
        if let Some(file) = &flags.file {
            return self.manifests(file, flags.namespace.as_deref()).await;
        }
        let Some(name) = &flags.name else {
            let all = reads::list::<Service>(&self.client).await;
            let all = all.map_err(|error| failed("the Services", &error))?;
            return Ok(Vec::from_iter(
                all.into_iter().map(|one| (one, Origin::Cluster)),
            ));
        };
        let key = ServiceKey {
            namespace: flags
                .namespace
                .as_ref()
                .unwrap_or(&self.default_namespace)
                .clone(),
            name: name.clone(),
        };
        if !key.is_valid() {
            let error = format!("{:?} is not the name of a Service", key.to_string());
            return Err(AppError::Plan(error));
        }
        let found = self.live(&key).await?;
        let found = found.ok_or_else(|| AppError::Plan(format!("Service {key} does not exist")))?;
        Ok(vec![(object(found)?, Origin::Cluster)])
    }

    /// The Services of a file, each with what the cluster has of it.
    async fn manifests(
        &self,
        file: &Path,
        namespace: Option<&str>,
    ) -> Result<Vec<(Service, Origin)>, AppError> {
        let fail = |error| AppError::Plan(format!("{}: {error}", file.display()));
        let text = read(file).map_err(|error| fail(error.to_string()))?;
        let (services, others) = manifest::services(&text).map_err(fail)?;
        if services.is_empty() {
            return Err(fail(format!(
                "it contains no Service ({others} other objects)"
            )));
        }
        let mut objects = Vec::new();
        for service in services {
            let key = manifest::key(&service, namespace, &self.default_namespace);
            let key = key.map_err(fail)?;
            let live = self.live(&key).await?;
            let applied = manifest::applied(&service, live.as_ref(), &key, &self.keys);
            let origin = Origin::Manifest {
                exists: live.is_some(),
                allocates_node_ports: manifest::allocates_node_ports(&applied),
            };
            objects.push((object(applied)?, origin));
        }
        Ok(objects)
    }

    /// The Service as the API server shows it; `None` if it does not exist. `key` is valid.
    async fn live(&self, key: &ServiceKey) -> Result<Option<Value>, AppError> {
        let ServiceKey { namespace, name } = key;
        let path = format!("/api/v1/namespaces/{namespace}/services/{name}");
        match reads::get(&self.client, &path).await {
            Ok(found) => Ok(Some(found)),
            Err(KubernetesError::Gone) => Ok(None),
            Err(error) => Err(failed(&format!("the Service {key}"), &error)),
        }
    }
}

fn read(file: &Path) -> std::io::Result<String> {
    if file != "-" {
        return std::fs::read_to_string(file);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

fn object(json: Value) -> Result<Service, AppError> {
    serde_json::from_value(json).map_err(|error| AppError::Plan(with_causes(&error)))
}

/// The error of a request; if a right is missing, the API server's message names it.
fn failed(what: &str, error: &KubernetesError) -> AppError {
    AppError::Plan(format!("cannot read {what}: {error}"))
}
