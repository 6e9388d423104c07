//! What the trace tells of an attempt, and which trace it belongs to.
//!
//! Each attempt that does something is a span `reconcile`; while a Service waits
//! for its first address, all of them, whoever led, are in one trace.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry::{Array, KeyValue, StringValue, Value};

use super::Context;
use super::attempt::ApplyResult;
use super::observe::ObservedService;
use crate::election::Leadership;
use crate::kubernetes::managed_fields;
use crate::plan::Desired;
use crate::plan::naming::{Owner, ServiceKey, ServiceUid};
use crate::telemetry::ReconcileResult;
use crate::telemetry::traces::{self, LazySpan, ProvisioningTrace};

/// The way of each Service that waits for its first address.
///
/// It follows from the object, but for this: somebody who edits a Service that
/// waits moves the moment of the wish a little, and would begin another trace.
#[derive(Default)]
pub struct ProvisioningTraces(Mutex<HashMap<ServiceUid, ProvisioningTrace>>);

impl ProvisioningTraces {
    /// The way that this attempt is a step of, if the Service has no address yet.
    fn of(&self, service: &ObservedService, context: &Context) -> Option<ProvisioningTrace> {
        let uid = &service.view.uid;
        let asks = matches!(service.desired, Desired::Managed(_) | Desired::Invalid(_));
        if !asks || service.view.deleting || !service.view.published.is_empty() {
            self.forget(uid);
            return None;
        }
        if let Some(known) = self.lock().get(uid) {
            return Some(*known);
        }
        let requested_at = managed_fields::requested_at(&service.object, &context.metadata_keys)?;
        let provision =
            ProvisioningTrace::new(context.cluster.as_str(), uid.as_str(), requested_at.into());
        self.lock().insert(uid.clone(), provision);
        Some(provision)
    }

    /// Drops what is remembered of all Services but these.
    pub fn keep(&self, alive: &HashSet<ServiceUid>) {
        self.lock().retain(|uid, _| alive.contains(uid));
    }

    /// Drops what is remembered of a Service.
    pub fn forget(&self, uid: &ServiceUid) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServiceUid, ProvisioningTrace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt, before it begins.
pub fn attempt(service: &ObservedService, leadership: &Leadership, context: &Context) -> LazySpan {
    if !context.tracer.is_on() {
        return context.tracer.work("reconcile", None, Default::default);
    }
    let provision = context.provisioning_traces.of(service, context);
    context.tracer.work("reconcile", provision.as_ref(), || {
        let attempts = context
            .requeue
            .attempts(&service.view.uid, service.spec_hash);
        (
            about(&service.view.key, &service.view.uid),
            vec![
                term(leadership),
                // Not `http.request.resend_count`: no request is sent again, a
                // new plan is made.
                KeyValue::new("attempt", i64::from(attempts) + 1),
            ],
        )
    })
}

/// The deletion of what has no Service any more.
pub fn clean_up(owner: &Owner, context: &Context) -> LazySpan {
    let key = ServiceKey {
        namespace: owner.namespace.clone(),
        name: owner.name.clone(),
    };
    context.tracer.work("delete orphan", None, || {
        let term = context.leadership().as_ref().map(term);
        (about(&key, &owner.uid), term.into_iter().collect())
    })
}

/// What an attempt came to.
pub fn ended(done: &ApplyResult, result: ReconcileResult) {
    let actions = done.actions.iter().map(|action| action.to_string().into());
    let actions: Vec<StringValue> = actions.collect();
    traces::note([
        KeyValue::new("result", result.as_str()),
        KeyValue::new("actions", Value::Array(Array::String(actions))),
    ]);
    let loud = done.failures.iter().find(|failure| !failure.is_quiet());
    if let Some(failure) = loud {
        traces::fail(failure.reason(), failure.to_string());
    } else if result == ReconcileResult::TerminalError {
        traces::fail(
            "invalid_spec",
            "the Service cannot be carried out as written".into(),
        );
    }
}

/// A Service has its first address: the end of the way that led there.
pub fn provisioned(service: &ObservedService, context: &Context) {
    let Some(provision) = context.provisioning_traces.of(service, context) else {
        return;
    };
    let mut attributes = about(&service.view.key, &service.view.uid);
    if let Desired::Managed(wanted) = &service.desired {
        let clouds = wanted
            .clouds
            .iter()
            .map(|cloud| cloud.as_str().to_owned().into());
        let clouds: Vec<StringValue> = clouds.collect();
        attributes.push(KeyValue::new("clouds", Value::Array(Array::String(clouds))));
    }
    context.tracer.provisioned(&provision, attributes);
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
