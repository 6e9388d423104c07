//! What the cloud has: its load balancers, addresses and highest token.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::load_balancer::{AddressFamily, LoadBalancer, Owner, Plant, Settings, State};
use super::refusal::{Code, Refusal};

/// A load balancer, and what its callers do not see of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    /// What callers see.
    pub(super) load_balancer: LoadBalancer,
    /// Its address from the first moment, shown once it is provisioned.
    pub(super) reserved: Ipv4Addr,
    /// The same of its IPv6 address, shown if it is asked for the family.
    pub(super) reserved6: Ipv6Addr,
    /// The `Idempotency-Key` that made it.
    idempotency_key: Option<String>,
    /// The settings of an update that is still to be carried out.
    #[serde(default)]
    postponed: Option<Settings>,
}

/// All load balancers by number, that is in the order of their creation.
/// Cheap to copy.
pub(super) type Shelf = BTreeMap<u64, Arc<Entry>>;

/// A create request after validation.
#[derive(Debug)]
pub(super) struct NewLoadBalancer {
    pub(super) name: String,
    pub(super) owner: Option<Owner>,
    pub(super) settings: Settings,
    pub(super) idempotency_key: Option<String>,
    pub(super) state: State,
}

/// What a create request led to.
#[derive(Debug)]
pub(super) enum Creation {
    /// A new load balancer.
    New(Arc<Entry>),
    /// One that was there.
    Existing(Arc<Entry>),
}

/// What is kept on disk.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot {
    last_number: u64,
    /// By cluster: each counts for itself.
    highest_tokens: BTreeMap<String, u64>,
    entries: BTreeMap<u64, Entry>,
}

/// What the cloud has.
#[derive(Debug)]
pub(super) struct Inventory {
    addresses: Ipv4Net,
    address6: Option<Ipv6Addr>,
    quota: Option<usize>,
    last_number: u64,
    last_offset: u32,
    /// By cluster: each counts for itself.
    highest_tokens: BTreeMap<String, u64>,
    shelf: Shelf,
    ids: BTreeMap<String, u64>,
    names: BTreeMap<String, BTreeSet<u64>>,
    keys: BTreeMap<String, u64>,
    taken: BTreeSet<Ipv4Addr>,
    /// Without the address that is the same for all.
    taken6: BTreeSet<Ipv6Addr>,
}

impl Inventory {
    /// Empty, or with what a snapshot has.
    pub(super) fn new(
        addresses: Ipv4Net,
        address6: Option<Ipv6Addr>,
        quota: Option<usize>,
        snapshot: Option<Snapshot>,
    ) -> Self {
        let mut inventory = Self {
            addresses,
            address6,
            quota,
            last_number: 0,
            last_offset: 0,
            highest_tokens: BTreeMap::new(),
            shelf: Shelf::new(),
            ids: BTreeMap::new(),
            names: BTreeMap::new(),
            keys: BTreeMap::new(),
            taken: BTreeSet::new(),
            taken6: BTreeSet::new(),
        };
        if let Some(snapshot) = snapshot {
            inventory.last_number = snapshot.last_number;
            inventory.highest_tokens = snapshot.highest_tokens;
            for (number, entry) in snapshot.entries {
                inventory.put(number, Arc::new(entry));
            }
        }
        inventory
    }

    /// What is to be kept on disk.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            last_number: self.last_number,
            highest_tokens: self.highest_tokens.clone(),
            entries: self
                .shelf
                .iter()
                .map(|(number, entry)| (*number, Entry::clone(entry)))
                .collect(),
        }
    }

    /// All load balancers.
    pub(super) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Refuses a token that is lower than the highest seen before from this cluster.
    pub(super) fn fence(&mut self, cluster: String, token: u64) -> Result<(), Refusal> {
        let highest = self.highest_tokens.entry(cluster).or_default();
        if token < *highest {
            return Err(Refusal::new(
                Code::FailedPrecondition,
                format!("Fencing-Token {token} is lower than {highest}, which was seen before"),
            ));
        }
        *highest = token;
        Ok(())
    }

    /// The load balancer with this id.
    pub(super) fn by_id(&self, id: &str) -> Result<&Arc<Entry>, Refusal> {
        let number = self.ids.get(id);
        number
            .and_then(|number| self.shelf.get(number))
            .ok_or_else(|| Refusal::not_found(id))
    }

    /// The load balancer with this name; the oldest if several were planted.
    pub(super) fn by_name(&self, name: &str) -> Option<&Arc<Entry>> {
        let number = self.names.get(name)?.first()?;
        self.shelf.get(number)
    }

    /// Makes a load balancer, or finds the one that has the name.
    pub(super) fn create(&mut self, new: NewLoadBalancer) -> Result<Creation, Refusal> {
        self.check_key(&new)?;
        if let Some(existing) = self.by_name(&new.name) {
            return existing_for(existing, new.owner.as_ref());
        }
        if self.quota.is_some_and(|quota| self.shelf.len() >= quota) {
            let message = format!(
                "the quota of {} load balancers is used up",
                self.shelf.len()
            );
            return Err(Refusal::new(Code::QuotaExceeded, message));
        }
        let reserved = self.reserve(new.settings.address)?;
        let reserved6 = self.reserve6(&new.settings, reserved)?;
        let number = self.last_number + 1;
        let load_balancer = LoadBalancer {
            id: format!("lb-{number}"),
            name: new.name,
            owner: new.owner,
            former_owner: None,
            settings: new.settings,
            ip: None,
            ip6: None,
            hostname: None,
            ingress: Vec::new(),
            state: new.state,
            message: String::new(),
            other_tags: BTreeMap::new(),
            created_at: Timestamp::now(),
        };
        Ok(Creation::New(self.add(Entry {
            load_balancer,
            reserved,
            reserved6,
            idempotency_key: new.idempotency_key,
            postponed: None,
        })))
    }

    /// Adds a load balancer without a call of the API.
    pub(super) fn plant(&mut self, plant: Plant) -> Result<Arc<Entry>, Refusal> {
        let number = self.last_number + 1;
        let id = plant.id.unwrap_or_else(|| format!("lb-{number}"));
        if self.ids.contains_key(&id) {
            return Err(Refusal::new(Code::AlreadyExists, format!("{id:?} exists")));
        }
        let reserved = self.reserve(plant.settings.address)?;
        let reserved6 = self.reserve6(&plant.settings, reserved)?;
        let load_balancer = LoadBalancer {
            id,
            name: plant.name,
            owner: plant.owner,
            former_owner: None,
            settings: plant.settings,
            ip: None,
            ip6: None,
            hostname: None,
            ingress: Vec::new(),
            state: plant.state,
            message: String::new(),
            other_tags: BTreeMap::new(),
            created_at: plant.created_at.unwrap_or_else(Timestamp::now),
        };
        Ok(self.add(Entry {
            load_balancer,
            reserved,
            reserved6,
            idempotency_key: None,
            postponed: None,
        }))
    }

    /// Changes a load balancer; its id and its address stay.
    pub(super) fn change(
        &mut self,
        id: &str,
        apply: impl FnOnce(&mut LoadBalancer),
    ) -> Result<Arc<Entry>, Refusal> {
        let number = *self.ids.get(id).ok_or_else(|| Refusal::not_found(id))?;
        let mut entry = self.take(number).ok_or_else(|| Refusal::not_found(id))?;
        let inner = Arc::make_mut(&mut entry);
        apply(&mut inner.load_balancer);
        id.clone_into(&mut inner.load_balancer.id);
        Ok(self.put(number, entry))
    }

    /// Accepts an update that is carried out later.
    pub(super) fn postpone(&mut self, id: &str, settings: Settings) -> Result<Arc<Entry>, Refusal> {
        let number = *self.ids.get(id).ok_or_else(|| Refusal::not_found(id))?;
        let mut entry = self.take(number).ok_or_else(|| Refusal::not_found(id))?;
        let inner = Arc::make_mut(&mut entry);
        inner.load_balancer.state = State::Provisioning;
        inner.postponed = Some(settings);
        Ok(self.put(number, entry))
    }

    /// Carries out an update that was accepted, if there is one.
    pub(super) fn apply_postponed(&mut self, id: &str) -> Result<(), Refusal> {
        let number = *self.ids.get(id).ok_or_else(|| Refusal::not_found(id))?;
        let mut entry = self.take(number).ok_or_else(|| Refusal::not_found(id))?;
        let inner = Arc::make_mut(&mut entry);
        if let Some(settings) = inner.postponed.take() {
            inner.load_balancer.set(settings);
        }
        self.put(number, entry);
        Ok(())
    }

    /// Removes a load balancer. Its address stays taken until it is released.
    pub(super) fn remove(&mut self, id: &str) -> Result<Arc<Entry>, Refusal> {
        let number = *self.ids.get(id).ok_or_else(|| Refusal::not_found(id))?;
        let entry = self.take(number).ok_or_else(|| Refusal::not_found(id))?;
        self.occupy(&entry);
        Ok(entry)
    }

    /// Gives the addresses of a removed load balancer back.
    pub(super) fn release(&mut self, removed: &Entry) {
        self.taken.remove(&removed.reserved);
        self.taken6.remove(&removed.reserved6);
    }

    fn occupy(&mut self, entry: &Entry) {
        self.taken.insert(entry.reserved);
        if self.address6.is_none() {
            self.taken6.insert(entry.reserved6);
        }
    }

    /// A key stands for one name: used for another, it is a caller's mistake.
    fn check_key(&self, new: &NewLoadBalancer) -> Result<(), Refusal> {
        let key = new.idempotency_key.as_ref();
        let number = key.and_then(|key| self.keys.get(key));
        match number.and_then(|number| self.shelf.get(number)) {
            Some(made) if made.load_balancer.name != new.name => Err(Refusal::invalid(format!(
                "this Idempotency-Key was used for {:?}",
                made.load_balancer.name
            ))),
            _ => Ok(()),
        }
    }

    /// The IPv6 address that was asked for; else the one that is the same for all, or one that
    /// goes with the IPv4 address, with the prefix of the documentation. Those that callers may
    /// ask for have the next prefix, so that nobody else gets one of them.
    fn reserve6(&self, asked: &Settings, four: Ipv4Addr) -> Result<Ipv6Addr, Refusal> {
        let [a, b, c, d] = four.octets().map(u16::from);
        let own = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, a << 8 | b, c << 8 | d);
        let Some(wanted) = asked.address6 else {
            return Ok(self.address6.unwrap_or(own));
        };
        if !asked.wants(AddressFamily::V6) {
            let message = format!("addresses: {wanted} is of a family that is not asked for");
            return Err(Refusal::invalid(message));
        }
        let is_there = match self.address6 {
            Some(only) => wanted == only,
            None => wanted.segments()[..4] == [0x2001, 0xdb8, 0, 1],
        };
        if !is_there {
            let message = format!("addresses: {wanted} is not in 2001:db8:0:1::/64");
            return Err(Refusal::invalid(message));
        }
        if self.taken6.contains(&wanted) {
            let message = format!("addresses: {wanted} is in use");
            return Err(Refusal::new(Code::Conflict, message));
        }
        Ok(wanted)
    }

    /// A free address of the range; freed ones come last.
    fn reserve(&mut self, wanted: Option<Ipv4Addr>) -> Result<Ipv4Addr, Refusal> {
        let range = self.addresses;
        if let Some(wanted) = wanted {
            if !range.contains(&wanted) {
                return Err(Refusal::invalid(format!(
                    "address: {wanted} is not in {range}"
                )));
            }
            if self.taken.contains(&wanted) {
                return Err(Refusal::new(
                    Code::Conflict,
                    format!("address: {wanted} is in use"),
                ));
            }
            return Ok(wanted);
        }
        // First and last are left out: a range's own name and its broadcast.
        let size = u32::from(range.broadcast()) - u32::from(range.network());
        for _ in 1..size {
            self.last_offset = self.last_offset % (size - 1) + 1;
            let candidate = Ipv4Addr::from(u32::from(range.network()) + self.last_offset);
            if !self.taken.contains(&candidate) {
                return Ok(candidate);
            }
        }
        Err(Refusal::new(
            Code::QuotaExceeded,
            format!("all addresses of {range} are in use"),
        ))
    }

    fn add(&mut self, entry: Entry) -> Arc<Entry> {
        self.last_number += 1;
        self.put(self.last_number, Arc::new(entry))
    }

    /// The only way onto the shelf: keeps the indexes in step.
    fn put(&mut self, number: u64, mut entry: Arc<Entry>) -> Arc<Entry> {
        let inner = Arc::make_mut(&mut entry);
        let shown = inner.load_balancer.state != State::Provisioning;
        let wants = |family| shown && inner.load_balancer.settings.wants(family);
        let (four, six) = (wants(AddressFamily::V4), wants(AddressFamily::V6));
        inner.load_balancer.ip = four.then_some(inner.reserved);
        inner.load_balancer.ip6 = six.then_some(inner.reserved6);
        let load_balancer = &entry.load_balancer;
        self.ids.insert(load_balancer.id.clone(), number);
        self.names
            .entry(load_balancer.name.clone())
            .or_default()
            .insert(number);
        if let Some(key) = &entry.idempotency_key {
            self.keys.insert(key.clone(), number);
        }
        self.occupy(&entry);
        self.shelf.insert(number, entry.clone());
        entry
    }

    /// The only way off it.
    fn take(&mut self, number: u64) -> Option<Arc<Entry>> {
        let entry = self.shelf.remove(&number)?;
        self.ids.remove(&entry.load_balancer.id);
        if let Some(numbers) = self.names.get_mut(&entry.load_balancer.name) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.names.remove(&entry.load_balancer.name);
            }
        }
        if let Some(key) = &entry.idempotency_key {
            self.keys.remove(key);
        }
        self.release(&entry);
        Some(entry)
    }
}

fn existing_for(existing: &Arc<Entry>, owner: Option<&Owner>) -> Result<Creation, Refusal> {
    let found = &existing.load_balancer;
    if !same_owner(found.owner.as_ref(), owner) {
        let message = format!("the name {:?} belongs to another owner", found.name);
        return Err(Refusal::new(Code::AlreadyExists, message));
    }
    if found.state == State::Deleting {
        let message = format!("{:?} is being deleted", found.name);
        return Err(Refusal::new(Code::Conflict, message));
    }
    Ok(Creation::Existing(existing.clone()))
}

/// Whether both name the same owner, or neither names one.
pub(super) fn same_owner(one: Option<&Owner>, other: Option<&Owner>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.is_same_as(other),
        (None, None) => true,
        _ => false,
    }
}
