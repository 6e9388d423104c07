//! Objects with a value that cannot be read. Each is named in the log and counted, and
//! nothing is decided about it; all others are as usual.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Resource;
use kube::runtime::watcher::{self, Event};

use super::node_object::Node;
use super::service_object::Service;
use crate::telemetry::Metrics;
use crate::telemetry::log_throttle::{LogKey, LogThrottle, NAMED};

/// An object of which a part may be unreadable.
pub(super) trait Lenient: Resource<DynamicType = ()> {
    /// The names of the unreadable fields.
    fn unreadable(&self) -> &[&'static str];
}

impl Lenient for Service {
    fn unreadable(&self) -> &[&'static str] {
        Service::unreadable(self)
    }
}

impl Lenient for Node {
    fn unreadable(&self) -> &[&'static str] {
        Node::unreadable(self)
    }
}

/// The unreadable objects of one watch.
pub(super) struct UnreadableObjects {
    kind: &'static str,
    metrics: Arc<Metrics>,
    log_throttle: LogThrottle,
    /// Namespace and name of each, with its unreadable fields.
    known: BTreeMap<String, Vec<&'static str>>,
    /// The same, of a list that is not complete yet.
    listed: Option<BTreeMap<String, Vec<&'static str>>>,
}

impl UnreadableObjects {
    /// Those of the watch of this kind: `service` or `node`.
    pub(super) fn new(kind: &'static str, metrics: Arc<Metrics>) -> Self {
        Self {
            kind,
            metrics,
            log_throttle: LogThrottle::default(),
            known: BTreeMap::new(),
            listed: None,
        }
    }

    /// Observes an event. Returns whether it may go on: an object without a readable name
    /// is skipped, because a store would panic.
    ///
    /// Must be called within a tokio runtime.
    pub(super) fn observe<K: Lenient>(&mut self, event: &Result<Event<K>, watcher::Error>) -> bool {
        let has_name = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => self.applied(object),
            Ok(Event::Delete(object)) => {
                let name = name(object);
                name.is_some_and(|name| {
                    self.known.remove(&name);
                    true
                })
            }
            Ok(Event::Init) => {
                self.listed = Some(BTreeMap::new());
                true
            }
            Ok(Event::InitDone) => {
                let listed = self.listed.take().unwrap_or_default();
                self.name_listed(&listed);
                self.known = listed;
                true
            }
            Err(_) => true,
        };
        self.metrics
            .kubernetes
            .unreadable(self.kind, self.known.len());
        has_name
    }

    fn applied<K: Lenient>(&mut self, object: &K) -> bool {
        let (name, fields) = (name(object), object.unreadable());
        let Some(name) = name else {
            let (uid, kind) = (&object.meta().uid, self.kind);
            if self.should_name("") {
                tracing::warn!(
                    kind,
                    ?uid,
                    "the API server shows an object without a name that can be read; it is skipped"
                );
            }
            return false;
        };
        if fields.is_empty() {
            self.known.remove(&name);
            return true;
        }
        let is_known = self.known.get(&name).is_some_and(|known| known == fields);
        // A Node has no other place that names it.
        if self.listed.is_none() && !is_known && self.should_name(&named(&name, fields)) {
            let kind = self.kind;
            tracing::warn!(
                kind,
                name,
                ?fields,
                "an object has values that cannot be read; nothing is changed because of it until they are corrected"
            );
        }
        let known = self.listed.as_mut().unwrap_or(&mut self.known);
        known.insert(name, fields.to_vec());
        true
    }

    /// Names those of a list that were readable before, in one line.
    fn name_listed(&self, listed: &BTreeMap<String, Vec<&'static str>>) {
        let is_new = |(name, fields): &(&String, &Vec<_>)| self.known.get(*name) != Some(fields);
        let new: Vec<_> = listed.iter().filter(is_new).collect();
        if !new.is_empty() {
            let objects = new.iter().take(NAMED);
            let objects = objects.map(|(name, fields)| named(name, fields));
            let objects = objects.collect::<Vec<_>>().join(", ");
            let (count, kind) = (new.len(), self.kind);
            tracing::warn!(
                kind,
                count,
                objects,
                "objects of a list have values that cannot be read; nothing is changed because of them until they are corrected"
            );
        }
    }

    fn should_name(&self, object: &str) -> bool {
        let key = LogKey {
            cloud: None,
            operation: "read",
            reason: self.kind,
        };
        self.log_throttle.should_name(key, object)
    }
}

/// An object and its unreadable fields.
fn named(name: &str, fields: &[&str]) -> String {
    format!("{name} ({})", fields.join(", "))
}

/// Namespace and name; `None` without a readable name.
fn name<K: Lenient>(object: &K) -> Option<String> {
    let metadata = object.meta();
    let name = metadata.name.as_ref()?;
    Some(match &metadata.namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.clone(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::telemetry::MetricsFormat;
    use crate::telemetry::captured_logs::CapturedLogs;

    fn service(name: &str, kind: Value) -> Service {
        let json = json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {"type": kind}});
        serde_json::from_value(json).expect("anything is read")
    }

    #[tokio::test]
    async fn the_unreadable_objects_are_counted_until_they_are_readable_or_gone() {
        let metrics = Arc::new(Metrics::for_test(&[]));
        let mut unreadable = UnreadableObjects::new("service", metrics.clone());
        let (odd, well) = (json!(7), json!("LoadBalancer"));
        let steps: [(Event<Service>, usize, &str); 9] = [
            (Event::Init, 0, "a list begins"),
            (Event::InitApply(service("a", odd.clone())), 0, "not yet"),
            (Event::InitApply(service("b", odd.clone())), 0, "not yet"),
            (Event::InitDone, 2, "both were listed"),
            (Event::Apply(service("a", odd.clone())), 2, "the same"),
            (Event::Apply(service("a", well)), 1, "corrected"),
            (Event::Delete(service("b", odd.clone())), 0, "deleted"),
            (Event::Apply(service("c", odd)), 1, "another"),
            (Event::Init, 1, "until the next list is complete"),
        ];
        for (event, expected, why) in steps {
            assert!(unreadable.observe(&Ok(event)), "{why}");
            let text = String::from_utf8(metrics.gather(MetricsFormat::Text)).expect("text");
            let line = format!("mycloud_lb_unreadable_objects{{kind=\"service\"}} {expected}\n");
            assert!(text.contains(&line), "{why}: {text}");
        }
    }

    #[tokio::test]
    async fn an_object_without_a_name_goes_no_further() {
        let metrics = Arc::new(Metrics::for_test(&[]));
        let mut unreadable = UnreadableObjects::new("service", metrics);
        for event in [Event::Apply, Event::InitApply, Event::Delete] {
            assert!(!unreadable.observe(&Ok(event(Service::default()))));
        }
    }

    /// The objects that the lines name, each once for each line.
    fn named_in(lines: &CapturedLogs) -> Vec<String> {
        let name = |line: &str| Some(line.split_once("name=\"")?.1.split('"').next()?.to_owned());
        lines.taken().iter().filter_map(|line| name(line)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn each_of_several_unreadable_objects_is_named_at_once() {
        let (lines, _guard) = CapturedLogs::collect();
        let metrics = Arc::new(Metrics::for_test(&[]));
        let mut unreadable = UnreadableObjects::new("service", metrics);
        let mut show = |name: &str, kind: Value| {
            unreadable.observe(&Ok(Event::Apply(service(name, kind))));
        };
        show("a", json!(7));
        show("b", json!(7));
        assert_eq!(named_in(&lines), ["shop/a", "shop/b"]);
        show("b", json!(8));
        assert!(named_in(&lines).is_empty(), "its fields are the same");
        // Its user goes to and fro.
        for _ in 0..100 {
            show("b", json!("LoadBalancer"));
            show("b", json!(7));
        }
        assert!(named_in(&lines).is_empty(), "it was named");
        for number in 0..100 {
            show(&number.to_string(), json!(7));
        }
        assert_eq!(named_in(&lines).len(), NAMED - 2, "the others are counted");
    }
}
