//! The spans of attempts, and the traces that they belong to.
//!
//! Each attempt that does something is a span `reconcile`. While a Service waits
//! for its first address, all of its attempts are in one trace, even across a
//! change of leader.

use std::collections::HashSet;
use std::sync::Arc;

use opentelemetry::{Array, KeyValue, StringValue, Value};

use crate::controller::Context;
use crate::controller::attempt::{ApplyResult, ObservedService, SpecHash};
use crate::controller::error::Unfinished;
use crate::controller::memory::per_service::PerService;
use crate::election::Leadership;
use crate::kubernetes::service_object::Service;
use crate::kubernetes::{managed_fields, service};
use crate::plan::Desired;
use crate::plan::naming::{Owner, ServiceKey, ServiceUid};
use crate::plan::service::ServiceView;
use crate::telemetry::ReconcileResult;
use crate::telemetry::traces::{self, LazySpan, ProvisioningTrace, SpanDescription};

/// The trace of each Service that waits for its first address.
///
/// A trace is derived from the object. It is remembered because an edit of a
/// waiting Service moves the recorded time of the request, which would begin
/// another trace.
#[derive(Default)]
pub struct ProvisioningTraces(PerService<ProvisioningTrace>);

impl ProvisioningTraces {
    /// The trace that an attempt belongs to, if the Service has no address yet.
    fn of(
        &self,
        object: &Service,
        view: &ServiceView,
        desired: &Desired,
        context: &Context,
    ) -> Option<ProvisioningTrace> {
        let is_requested = matches!(desired, Desired::Managed(_) | Desired::Invalid(_));
        if !is_requested || view.deleting || !view.published.is_empty() {
            self.0.forget(&view.uid);
            return None;
        }
        if let Some(known) = self.0.get(&view.uid) {
            return Some(known);
        }
        let requested_at = managed_fields::requested_at(object, &context.metadata_keys)?;
        let (cluster, uid) = (context.cluster.as_str(), view.uid.as_str());
        let trace = ProvisioningTrace::new(cluster, uid, requested_at.into());
        self.0.insert(&view.uid, trace);
        Some(trace)
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}

/// The span of an attempt; created only if the attempt does something.
pub fn of_attempt(
    watched: &Arc<Service>,
    leadership: &Leadership,
    context: &Arc<Context>,
) -> LazySpan {
    let (watched, context) = (watched.clone(), context.clone());
    let (term, tracer) = (term(leadership), context.tracer.clone());
    tracer.lazy_span("reconcile", move || {
        let keys = &context.metadata_keys;
        let Some(view) = service::view(&watched, keys) else {
            return SpanDescription::default();
        };
        let object = context.memory.mutation_cache.newest(&view.uid, watched);
        let view = service::view(&object, keys).unwrap_or(view);
        let desired = context.known_clouds().desired(&view, &context.cluster);
        let memory = &context.memory;
        let attempts = memory.requeue.attempts(&view.uid, SpecHash::of(&view));
        SpanDescription {
            within: memory
                .provisioning_traces
                .of(&object, &view, &desired, &context),
            attributes: about(&view.key, &view.uid),
            shared: vec![
                term,
                // Not `http.request.resend_count`: an attempt makes a new plan and
                // does not resend a request.
                KeyValue::new("attempt", i64::from(attempts) + 1),
            ],
        }
    })
}

/// The span of the deletion of an orphan.
pub fn of_orphan(owner: &Owner, context: &Context) -> LazySpan {
    let key = owner.service_key();
    let (uid, term) = (owner.uid.clone(), context.leadership().as_ref().map(term));
    context
        .tracer
        .lazy_span("delete orphan", move || SpanDescription {
            within: None,
            attributes: about(&key, &uid),
            shared: term.into_iter().collect(),
        })
}

/// Adds the result of the attempt to its span.
pub fn describe_result(result: &ApplyResult, outcome: ReconcileResult) {
    let actions = result.actions.iter();
    let actions: Vec<StringValue> = actions.map(|action| action.to_string().into()).collect();
    traces::note([
        KeyValue::new("result", outcome.as_str()),
        KeyValue::new("actions", Value::Array(Array::String(actions))),
    ]);
    let failure = result.errors.iter().find(|error| !error.is_superseded());
    if let Some(error) = failure {
        let reason = Unfinished::Failed(error).reason();
        traces::fail(reason.as_str(), error.to_string());
    } else if let Some(refusal) = result.refusal() {
        traces::fail(
            refusal.as_str(),
            "the configuration of the Service is invalid, or no cloud supports it".into(),
        );
    }
}

/// Ends the provisioning trace of a Service that has its first address.
pub fn end_provisioning(service: &ObservedService, context: &Context) {
    let (view, memory) = (&service.view, &context.memory);
    let traces = &memory.provisioning_traces;
    let Some(trace) = traces.of(&service.object, view, &service.desired, context) else {
        return;
    };
    traces.forget(&view.uid);
    let mut attributes = about(&view.key, &view.uid);
    if let Desired::Managed(wanted) = &service.desired {
        let clouds = wanted.clouds.iter();
        let clouds: Vec<StringValue> = clouds
            .map(|cloud| cloud.as_str().to_owned().into())
            .collect();
        attributes.push(KeyValue::new("clouds", Value::Array(Array::String(clouds))));
    }
    context.tracer.provisioned(&trace, attributes);
}

fn about(key: &ServiceKey, uid: &ServiceUid) -> Vec<KeyValue> {
    vec![
        KeyValue::new("k8s.namespace.name", key.namespace.clone()),
        KeyValue::new("k8s.service.name", key.name.clone()),
        KeyValue::new("k8s.service.uid", uid.as_str().to_owned()),
    ]
}

fn term(leadership: &Leadership) -> KeyValue {
    let term = leadership.term().value();
    KeyValue::new("lease.term", i64::try_from(term).unwrap_or(i64::MAX))
}
