//! The names of our metadata on a Service, all under one configurable prefix.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::plan::annotation;
use crate::plan::class::{Classes, LoadBalancerClass};
use crate::plan::existing::{Offer, Offers};
use crate::plan::service::Defaults;

/// The name of the finalizer, without its prefix.
const FINALIZER: &str = "load-balancer";

/// The names of our annotations, finalizer, condition and load balancer classes, and what the
/// configuration adds to every Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataKeys {
    prefix: String,
    finalizer: String,
    condition: String,
    classes: Arc<Classes>,
    defaults: Arc<Defaults>,
    offers: Arc<Offers>,
}

impl MetadataKeys {
    /// The names under this prefix (`mycloud.com`), without a slash.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            finalizer: format!("{prefix}/{FINALIZER}"),
            condition: format!("{prefix}/LoadBalancerReady"),
            classes: Arc::default(),
            defaults: Arc::default(),
            offers: Arc::default(),
        }
    }

    /// With these load balancer classes of ours.
    #[must_use]
    pub fn with_classes(self, classes: Classes) -> Self {
        let classes = Arc::new(classes);
        Self { classes, ..self }
    }

    /// With these defaults for every Service.
    #[must_use]
    pub fn with_defaults(self, defaults: Defaults) -> Self {
        let defaults = Arc::new(defaults);
        Self { defaults, ..self }
    }

    pub fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// With these load balancers that others made.
    #[must_use]
    pub fn with_offers(self, offers: Offers) -> Self {
        let offers = Arc::new(offers);
        Self { offers, ..self }
    }

    /// The load balancers that Services of a namespace may be attached to.
    pub fn offers(&self, namespace: &str) -> BTreeSet<Offer> {
        self.offers.get(namespace).cloned().unwrap_or_default()
    }

    /// The class of ours with this name.
    pub fn class(&self, name: &str) -> Option<&LoadBalancerClass> {
        self.classes.get(name)
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Our finalizer. It differs from the finalizer of the upstream service controller.
    pub fn finalizer(&self) -> &str {
        &self.finalizer
    }

    /// Whether this is the finalizer of an installation of this program, under whatever
    /// prefix.
    pub fn is_finalizer_of_any_prefix(finalizer: &str) -> bool {
        is_under_any_prefix(finalizer, FINALIZER)
    }

    /// Whether this is the annotation of an installation of this program with a name of
    /// ours, under whatever prefix.
    pub fn is_annotation_of_any_prefix(annotation: &str, name: &str) -> bool {
        is_under_any_prefix(annotation, name)
    }

    /// The type of our condition in `status.conditions`.
    pub fn condition(&self) -> &str {
        &self.condition
    }

    /// The full name of one of our annotations.
    pub fn annotation(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    /// The name by which the plan reads an annotation: without our prefix, or the whole of
    /// one that others define; `None` if it does not read it.
    pub fn read<'a>(&self, annotation: &'a str) -> Option<&'a str> {
        match self.strip(annotation) {
            None if annotation::is_of_others(annotation) => Some(annotation),
            stripped => stripped,
        }
    }

    /// The name of an annotation without our prefix; `None` with another prefix.
    pub fn strip<'a>(&self, annotation: &'a str) -> Option<&'a str> {
        annotation.strip_prefix(&self.prefix)?.strip_prefix('/')
    }
}

fn is_under_any_prefix(full: &str, name: &str) -> bool {
    full.split_once('/').is_some_and(|(_, found)| found == name)
}
