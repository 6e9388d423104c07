//! The observed state: the Service's finalizer, record and addresses, each cloud's
//! load balancer, and the Nodes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::action::{Action, Outcome, Waiting};
use super::backends::Backends;
use super::ip_mode::IpModes;
use super::kept::{self, Kept, UnderWay, Unmet};
use super::load_balancer::{LoadBalancer, LoadBalancerSpec, State};
use super::naming::{CloudName, LoadBalancerId};
use super::record::{self, Ingress, Publication, Record};
use super::service::ServiceView;

/// The observed state. Every cloud that the Service names, has in its record, or
/// has a load balancer on is a key of `clouds`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Observed {
    /// Whether our finalizer is on the Service.
    pub finalizer: bool,
    /// The record in the Service's annotations.
    pub record: Record,
    /// The addresses in the Service's status.
    pub ingress: Vec<Ingress>,
    /// The modes of those of them that show one.
    pub modes: IpModes,
    pub clouds: BTreeMap<CloudName, CloudView>,
    pub backends: Backends,
    /// What is known of the values that the clouds show otherwise than requested.
    pub unmet: Unmet,
}

/// The state of one cloud for the Service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum CloudView {
    /// The cloud has no load balancer of ours. Never concluded from a list alone.
    Absent,
    /// The cloud has a load balancer that is provably ours.
    Present(Box<LoadBalancer>),
    /// Our name is taken by a load balancer of another owner, or what `existing-lb` names is.
    NameTaken,
    /// What `existing-lb` names: others made it, and it has no owner.
    Offered(Box<LoadBalancer>),
    /// The cloud is in the record and not configured.
    NotConfigured,
    /// The query failed: the state of the load balancer is unknown.
    Unreachable,
    /// The answer to a call is still awaited: the state of the load balancer is unknown, and
    /// no other call is made meanwhile.
    Unanswered,
}

impl CloudView {
    /// Why nothing is known of what this cloud has; `None` if it has shown it.
    pub(super) fn unknown(&self, cloud: &CloudName) -> Option<Waiting> {
        self.wait().map(|wait| wait(cloud.clone()))
    }

    fn wait(&self) -> Option<fn(CloudName) -> Waiting> {
        match self {
            Self::Absent | Self::Present(_) | Self::NameTaken | Self::Offered(_) => None,
            Self::NotConfigured => Some(Waiting::CloudNotConfigured),
            Self::Unreachable => Some(Waiting::CloudUnreachable),
            Self::Unanswered => Some(Waiting::Unanswered),
        }
    }
}

impl Observed {
    /// The state that the Service itself shows, before any cloud is queried.
    pub fn of_service(service: &ServiceView, backends: Backends) -> Self {
        Self {
            finalizer: service.finalizer,
            record: service.record.clone(),
            ingress: service.published.clone(),
            modes: service.published_modes.clone(),
            clouds: BTreeMap::new(),
            backends,
            unmet: Unmet::default(),
        }
    }

    /// Whether a cloud has shown what it has.
    pub(super) fn knows(&self, cloud: &CloudName) -> bool {
        let view = self.clouds.get(cloud);
        view.is_some_and(|view| view.wait().is_none())
    }

    /// The load balancers that exist and are ours.
    pub fn present(&self) -> impl Iterator<Item = (&CloudName, &LoadBalancer)> {
        self.clouds.iter().filter_map(|(cloud, view)| match view {
            CloudView::Present(load_balancer) => Some((cloud, load_balancer.as_ref())),
            _ => None,
        })
    }

    /// The load balancer as it is compared with what is requested: values that the cloud
    /// is known to keep otherwise, or that are left as they are, count as requested.
    pub fn as_requested<'a>(
        &self,
        cloud: &CloudName,
        found: &'a LoadBalancer,
    ) -> Cow<'a, LoadBalancer> {
        let Unmet { kept, given_up, .. } = &self.unmet;
        let differences = [kept.get(cloud), given_up.get(cloud)];
        let differences = differences.into_iter().flatten();
        differences.fold(Cow::Borrowed(found), |read, difference| {
            Cow::Owned(difference.as_requested(&read))
        })
    }

    /// Whether a cloud is carrying out the update to this spec already.
    pub fn is_under_way(
        &self,
        cloud: &CloudName,
        found: &LoadBalancer,
        requested: &LoadBalancerSpec,
    ) -> bool {
        let under_way = self.unmet.under_way.get(cloud);
        under_way.is_some_and(|update| update.brings(found, requested))
    }

    /// Compares what is known of the clouds with what they show now. An update that has ended
    /// leaves what the cloud keeps otherwise. What a cloud does so no more is forgotten: the
    /// answer that showed it may have lagged behind.
    pub fn resolve_unmet(&mut self) {
        let Unmet {
            under_way,
            kept,
            given_up,
        } = &mut self.unmet;
        for (cloud, view) in &self.clouds {
            let found = match view {
                CloudView::Present(found) => found,
                CloudView::Unreachable | CloudView::Unanswered => continue,
                CloudView::Absent
                | CloudView::NameTaken
                | CloudView::Offered(_)
                | CloudView::NotConfigured => {
                    under_way.remove(cloud);
                    continue;
                }
            };
            if found.state != State::Provisioning
                && let Some(ended) = under_way.remove(cloud)
            {
                let left = Kept::after(&ended, found);
                kept.extend(left.map(|left| (cloud.clone(), left)));
            }
            for known in [&mut *kept, &mut *given_up] {
                let is_resolved = |difference: &Kept| difference.as_requested(found) == **found;
                if known.get(cloud).is_some_and(is_resolved) {
                    known.remove(cloud);
                }
            }
        }
    }

    /// Whether each of these clouds has a load balancer that clients can reach.
    pub fn serves_on(&self, clouds: &BTreeSet<CloudName>) -> bool {
        clouds.iter().all(|cloud| self.serves(cloud))
    }

    /// The load balancer of ours on this cloud.
    pub fn load_balancer(&self, cloud: &CloudName) -> Option<&LoadBalancer> {
        match self.clouds.get(cloud) {
            Some(CloudView::Present(found)) => Some(found),
            _ => None,
        }
    }

    /// The load balancer on this cloud that others made and the Service is not attached to yet.
    pub fn offered(&self, cloud: &CloudName) -> Option<&LoadBalancer> {
        match self.clouds.get(cloud) {
            Some(CloudView::Offered(found)) => Some(found),
            _ => None,
        }
    }

    /// The load balancer on this cloud that an update may be about.
    pub fn to_update(&self, cloud: &CloudName) -> Option<&LoadBalancer> {
        self.load_balancer(cloud).or_else(|| self.offered(cloud))
    }

    /// Whether the record leads to what is about to be made on this cloud, or attached to.
    pub(super) fn has_announced(&self, cloud: &CloudName) -> bool {
        match self.offered(cloud) {
            Some(found) => self.record.get(cloud) == Some(&found.id),
            None => self.record.has(cloud),
        }
    }

    /// The record with these clouds announced; with the ids of what others made.
    pub fn announced(&self, clouds: &BTreeSet<CloudName>) -> Record {
        let mut record = self.record.clone();
        record.announce(clouds);
        let offered = clouds.iter().filter_map(|cloud| {
            let found = self.offered(cloud)?;
            Some((cloud.clone(), Some(found.id.clone())))
        });
        let offered: Vec<_> = offered.collect();
        let entries = record
            .entries()
            .map(|(cloud, id)| (cloud.clone(), id.clone()));
        entries.chain(offered).collect()
    }

    /// Whether this cloud has a load balancer that clients can reach.
    pub fn serves(&self, cloud: &CloudName) -> bool {
        self.load_balancer(cloud)
            .is_some_and(|found| found.state == State::Active && !found.addresses.is_empty())
    }

    /// The cloud among `wanted` that shows the load balancer which another cloud shows.
    pub fn also_on<'a>(
        &self,
        wanted: &'a BTreeSet<CloudName>,
        cloud: &CloudName,
        found: &LoadBalancer,
    ) -> Option<&'a CloudName> {
        let shows_it = |other: &&CloudName| match self.clouds.get(*other) {
            Some(CloudView::Present(shown)) => *other != cloud && shown.looks_like(found),
            _ => false,
        };
        wanted.iter().find(shows_it)
    }

    /// Whether the Service's status has all addresses of its load balancer on a cloud, which has
    /// some.
    pub fn publishes_address_of(&self, cloud: &CloudName) -> bool {
        let found = self.load_balancer(cloud);
        let addresses = found.map(|found| record::ingress_of(&found.addresses));
        let addresses = addresses.filter(|addresses| !addresses.is_empty());
        addresses.is_some_and(|addresses| {
            let mut addresses = addresses.iter();
            addresses.all(|address| self.ingress.contains(address))
        })
    }

    /// Whether the Service's status has an address of this load balancer.
    pub(super) fn publishes_any_of(&self, found: &LoadBalancer) -> bool {
        let entries = record::ingress_of(&found.addresses);
        entries.iter().any(|entry| self.ingress.contains(entry))
    }

    /// The record and addresses to publish in the Service.
    ///
    /// The record keeps clouds whose state is unknown (unreachable, unanswered or not configured),
    /// announced ones while they are wanted, and the ids of lost load balancers while the
    /// addresses in the status may be theirs.
    /// Published addresses are replaced only when every wanted cloud serves: neither
    /// an unreachable cloud nor a move removes an address before its successor exists.
    pub fn publication(&self, wanted: &BTreeSet<CloudName>) -> Publication {
        self.publication_without(wanted, &BTreeSet::new())
    }

    /// The same without the addresses of some of the wanted clouds. Meanwhile no address goes.
    pub fn publication_without(
        &self,
        wanted: &BTreeSet<CloudName>,
        withheld: &BTreeSet<CloudName>,
    ) -> Publication {
        let is_unknown = |cloud: &CloudName| !self.knows(cloud);
        // A create there may still be on its way.
        let is_announced = |cloud: &CloudName| {
            wanted.contains(cloud) && matches!(self.clouds.get(cloud), Some(CloudView::Absent))
        };
        // The id of a lost load balancer tells that the addresses are ours while they stay.
        let is_complete = withheld.is_empty() && self.serves_on(wanted);
        let addresses_stay = !self.ingress.is_empty() && !is_complete;
        let kept = self.record.entries().filter_map(|(cloud, id)| {
            let is_offered = || {
                self.offered(cloud)
                    .is_some_and(|found| Some(&found.id) == id.as_ref())
            };
            if is_unknown(cloud) || is_offered() || (id.is_some() && addresses_stay) {
                return Some((cloud.clone(), id.clone()));
            }
            is_announced(cloud).then(|| (cloud.clone(), None))
        });
        // What a wanted cloud shows too is recorded there only: the other name of the
        // account may leave the configuration.
        let is_other_name = |(cloud, found): &(&CloudName, &LoadBalancer)| {
            !wanted.contains(*cloud) && self.also_on(wanted, cloud, found).is_some()
        };
        let present = self
            .present()
            .filter(|shown| !is_other_name(shown))
            .map(|(cloud, found)| (cloud.clone(), Some(found.id.clone())));
        let record = kept.chain(present).collect();

        let mut ingress = if is_complete {
            Vec::new()
        } else {
            self.ingress.clone()
        };
        let mut modes = IpModes::default();
        let is_published = |cloud: &CloudName| wanted.contains(cloud) && !withheld.contains(cloud);
        for (_, found) in self.present().filter(|(cloud, _)| is_published(cloud)) {
            for entry in self.as_published(record::ingress_of(&found.addresses)) {
                if !ingress.contains(&entry) {
                    ingress.push(entry);
                }
            }
            modes.tell_all(&found.ip_modes());
        }
        // An address that stays although nothing is known of its load balancer keeps its mode.
        modes.fill_in(&self.modes);
        modes.keep(&ingress);
        Publication {
            record,
            ingress,
            modes,
        }
    }

    /// The addresses of one load balancer in the order in which they are published already, if all
    /// of them are: a cloud that shuffles its answers must cause no writes.
    fn as_published(&self, mut addresses: Vec<Ingress>) -> Vec<Ingress> {
        let place = |address: &Ingress| self.ingress.iter().position(|other| other == address);
        if addresses.iter().all(|address| place(address).is_some()) {
            addresses.sort_by_key(place);
        }
        addresses
    }

    /// Whether the Service already has this publication.
    pub fn has_published(&self, publication: &Publication) -> bool {
        let Publication {
            record,
            ingress,
            modes,
        } = publication;
        self.record == *record && self.ingress == *ingress && modes.are_met_by(&self.modes)
    }

    /// Whether this publication has an address or an id that the Service does not have.
    pub fn gains(&self, publication: &Publication) -> bool {
        let Publication {
            record,
            ingress,
            modes: _,
        } = publication;
        let has_id = |id: &LoadBalancerId| self.record.ids().any(|own| own == id);
        !record.ids().all(has_id) || !ingress.iter().all(|address| self.ingress.contains(address))
    }

    /// The clouds that have not answered yet.
    pub fn awaited(&self) -> impl Iterator<Item = &CloudName> {
        let views = self.clouds.iter();
        let awaited = views.filter(|(_, view)| matches!(view, CloudView::Unanswered));
        awaited.map(|(cloud, _)| cloud)
    }

    /// Whether this cloud has not answered yet.
    pub fn awaits(&self, cloud: &CloudName) -> bool {
        matches!(self.clouds.get(cloud), Some(CloudView::Unanswered))
    }

    /// This state as it is known while calls to these clouds are under way.
    pub fn without_answers_of(&self, clouds: &BTreeSet<CloudName>) -> Self {
        let mut observed = self.clone();
        let unanswered = clouds.iter().cloned();
        let unanswered = unanswered.map(|cloud| (cloud, CloudView::Unanswered));
        observed.clouds.extend(unanswered);
        observed
    }

    /// Records that the Service has this publication now.
    pub fn record_published(&mut self, publication: Publication) {
        let Publication {
            record,
            ingress,
            modes,
        } = publication;
        (self.record, self.ingress, self.modes) = (record, ingress, modes);
    }

    /// Applies the outcome of an action other than a publication to the observed state. The executor and the
    /// simulated worlds of the tests share this function.
    pub fn record_outcome(&mut self, action: &Action, outcome: Outcome) {
        self.record_unmet(action, &outcome);
        match (action, outcome) {
            (Action::AddFinalizer { clouds }, _) => {
                self.finalizer = true;
                self.record = self.announced(clouds);
            }
            (Action::Create { cloud, request }, Outcome::Found(found)) => {
                let found = Box::new(found.unless_refused(&request.spec));
                self.clouds.insert(cloud.clone(), CloudView::Present(found));
            }
            (Action::Update { cloud, .. }, Outcome::Found(found)) => {
                self.clouds.insert(cloud.clone(), CloudView::Present(found));
            }
            (Action::ConfirmGone { cloud, .. }, _) => {
                self.clouds.insert(cloud.clone(), CloudView::Absent);
            }
            // It still has our name, and is nobody's.
            (Action::Release { cloud, .. }, _) => {
                self.clouds.insert(cloud.clone(), CloudView::NameTaken);
            }
            (Action::RemoveFinalizer { .. }, _) => {
                self.finalizer = false;
                self.record = Record::default();
                self.ingress = Vec::new();
                self.modes = IpModes::default();
            }
            (
                Action::ConfirmLive
                | Action::AwaitServing { .. }
                | Action::Delete { .. }
                | Action::Create { .. }
                | Action::Update { .. }
                | Action::Publish { .. },
                _,
            ) => {}
        }
    }

    fn record_unmet(&mut self, action: &Action, outcome: &Outcome) {
        let (cloud, under_way, kept) = match (action, outcome) {
            (Action::Update { cloud, request, .. }, Outcome::Found(updated)) => {
                let before = &self.to_update(cloud).unwrap_or(updated).spec;
                let requested = &request.spec;
                let under_way = UnderWay::of(requested, before, updated);
                (cloud, under_way, Kept::of(requested, before, updated))
            }
            // The response may describe an earlier load balancer.
            (Action::Create { cloud, .. }, _) => (cloud, None, None),
            _ => return,
        };
        kept::set(&mut self.unmet.under_way, cloud, under_way);
        kept::set(&mut self.unmet.kept, cloud, kept);
    }
}
