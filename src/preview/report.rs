//! The JSON of previews. Its field names are stable: docs/plan.md has them.

use serde_json::{Map, Value, json};

use super::differences::json as plain;
use super::losses::losses;
use super::{Planned, Preview, ReplicaState, Report};
use crate::controller::error::Unfinished;
use crate::kubernetes::condition::Condition;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::CloudName;
use crate::plan::{Action, CloudView, Desired, Release, Waiting};

impl Report {
    /// The report as JSON.
    pub fn json(&self) -> Value {
        let replica = self.replica.map(|state| {
            let ReplicaState {
                leads,
                next_attempt,
            } = state;
            let seconds = next_attempt.map(|delay| delay.as_secs_f64());
            json!({"leads": leads, "nextAttemptSeconds": seconds})
        });
        let services: Vec<Value> = self.previews.iter().map(Preview::json).collect();
        json!({"cluster": self.cluster, "replica": replica, "services": services})
    }
}

impl Preview {
    fn json(&self) -> Value {
        let key = self.key();
        let (verdict, message) = self.verdict();
        let mut json = json!({
            "namespace": key.namespace, "name": key.name,
            "verdict": <&str>::from(verdict), "message": message,
        });
        if let Self::Planned(planned) = self {
            let actions = planned.plan.actions.iter();
            let waiting = planned.plan.waiting.iter();
            json["uid"] = match planned.has_uid() {
                true => plain(&planned.view.uid),
                false => Value::Null,
            };
            json["desired"] = planned.desired_json();
            json["observed"] = planned.observed_json();
            json["differences"] = planned.differences_json();
            json["actions"] = actions.map(|action| planned.action_json(action)).collect();
            json["waiting"] = waiting.map(|wait| planned.waiting_json(wait)).collect();
            json["losses"] = plain(&losses(&planned.observed, &planned.plan));
            json["notes"] = plain(&planned.notes());
        }
        json
    }
}

impl Planned {
    fn desired_json(&self) -> Value {
        match &self.desired {
            Desired::Unmanaged(reason) => json!({"state": "unmanaged", "reason": reason}),
            Desired::Released(Release::Deleted, _) => {
                json!({"state": "released", "reason": "Deleted"})
            }
            Desired::Released(Release::Stays(reason), _) => {
                json!({"state": "released", "reason": reason})
            }
            Desired::Invalid(invalid) => {
                let problems = invalid.problems.iter();
                let problems: Vec<String> = problems
                    .map(|problem| problem.describe(&self.prefix))
                    .collect();
                json!({"state": "invalid", "problems": problems})
            }
            Desired::Paused => json!({"state": "paused"}),
            Desired::Managed(wanted) => {
                let clouds = wanted.clouds.iter();
                let clouds: Map<String, Value> = clouds
                    .map(|cloud| {
                        let spec = self.desired_spec(wanted, cloud);
                        (cloud.to_string(), plain(&spec))
                    })
                    .collect();
                json!({"state": "managed", "clouds": clouds})
            }
        }
    }

    fn observed_json(&self) -> Value {
        let clouds = self.observed.clouds.iter();
        let clouds: Map<String, Value> = clouds
            .map(|(name, view)| (name.to_string(), self.cloud_json(name, view)))
            .collect();
        let ingress = self.observed.ingress.iter();
        let addresses: Vec<String> = ingress.map(ToString::to_string).collect();
        json!({
            "finalizer": self.observed.finalizer,
            "record": self.observed.record,
            "addresses": addresses,
            "ipModes": self.observed.modes,
            "condition": self.condition.as_ref().map(condition_json),
            "nodes": {
                "eligible": self.nodes.eligible,
                "excluded": self.nodes.excluded,
                "backEnds": self.observed.backends.addresses_for(true),
            },
            "clouds": clouds,
        })
    }

    fn cloud_json(&self, name: &CloudName, view: &CloudView) -> Value {
        match view {
            CloudView::Absent => json!({"state": "absent"}),
            CloudView::NameTaken => json!({"state": "nameTaken"}),
            CloudView::Offered(found) => {
                json!({"state": "offered", "loadBalancer": load_balancer_json(found)})
            }
            CloudView::NotConfigured => json!({"state": "notConfigured"}),
            CloudView::Unreachable => {
                json!({"state": "unreachable", "error": self.errors.get(name)})
            }
            CloudView::Unanswered => json!({"state": "unanswered"}),
            CloudView::Present(found) => {
                json!({"state": "present", "loadBalancer": load_balancer_json(found)})
            }
        }
    }

    fn differences_json(&self) -> Value {
        let mut all = Vec::new();
        for found in self.differences() {
            let (cloud, id) = found.load_balancer.unzip();
            for field in &found.fields {
                let mut difference = plain(field);
                difference["cloud"] = json!(cloud);
                difference["id"] = json!(id);
                all.push(difference);
            }
        }
        Value::Array(all)
    }

    fn action_json(&self, action: &Action) -> Value {
        let id = match action {
            Action::Update { id, .. }
            | Action::Delete { id, .. }
            | Action::Release { id, .. }
            | Action::ConfirmGone { id, .. } => Some(id),
            _ => None,
        };
        json!({
            "action": variant(&plain(action)),
            "cloud": action.cloud(),
            "id": id,
            "description": self.describe(action),
        })
    }

    fn waiting_json(&self, waiting: &Waiting) -> Value {
        json!({
            "reason": Unfinished::Waiting(waiting).reason().as_str(),
            "cloud": waiting.cloud(),
            "message": self.sentence(waiting),
        })
    }
}

fn condition_json(condition: &Condition) -> Value {
    json!({
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": condition.last_transition_time,
    })
}

fn load_balancer_json(found: &LoadBalancer) -> Value {
    // Written out, because the names must not follow those of the code.
    let LoadBalancer {
        id,
        name,
        owner: _,
        spec,
        is_understood,
        has_other_back_ends,
        // The message of the plan has them.
        opaque_listener: _,
        addresses,
        state,
    } = found;
    json!({
        "id": id, "name": name, "spec": plain(spec), "state": variant(&plain(state)),
        "ips": addresses.ips, "hostname": addresses.hostnames.first(),
        "hostnames": addresses.hostnames, "ipModes": found.ip_modes(),
        "notPublished": addresses.refused,
        "isUnderstood": is_understood, "hasOtherBackEnds": has_other_back_ends,
    })
}

/// The name of the variant of an enum's JSON, in camel case.
fn variant(json: &Value) -> String {
    let fields = json.as_object().and_then(|fields| fields.keys().next());
    let name = json.as_str().or(fields.map(String::as_str));
    let mut letters = name.unwrap_or_default().chars();
    let initial = letters.next().map(|letter| letter.to_ascii_lowercase());
    initial.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests;
