//! The verbs, carried out.

use std::sync::Arc;

use serde_json::Value;

use super::Profile;
use super::call::Call;
use super::capabilities::Limits;
use super::engine::{Engine, Turn};
use super::event::{Effect, Verb};
use super::inventory::{Creation, Entry, NewLoadBalancer, Shelf, same_owner};
use super::load_balancer::{LoadBalancer, Settings, State};
use super::refusal::{Code, Refusal};
use super::validation;
use super::wire::{
    CapabilitiesAnswer, ChangeAnswer, ChangeRequest, FullAnswer, ListAnswer, ListRequest,
    NoRequest, ReleaseRequest, WhichRequest,
};

/// Items of a page by default.
const PAGE: usize = 100;
/// Items of a page at most.
const LARGEST_PAGE: i64 = 1_000;

/// A call that was carried out.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) effect: Effect,
    /// The load balancer that it was about.
    pub(super) on: Option<Arc<Entry>>,
    pub(super) answer: Value,
}

/// What a read sees instead of the truth.
#[derive(Debug, Default)]
pub(super) struct Blur {
    /// What there was before.
    pub(super) seen_before: Option<Shelf>,
    /// So many of a list's first load balancers are left out.
    pub(super) omit: usize,
}

/// Carries a call out.
pub(super) async fn carry_out(
    engine: &Arc<Engine>,
    call: &Call,
    blur: &Blur,
) -> Result<Done, Refusal> {
    let token = engine.manner.token.as_deref();
    if token.is_some_and(|token| !call.bears(token)) {
        let message = "Authorization: a valid bearer token is needed";
        return Err(Refusal::new(Code::Unauthenticated, message));
    }
    match call.verb {
        Verb::Query => query(engine, call, blur),
        Verb::List => list(engine, call, blur),
        Verb::Capabilities => capabilities(engine, call),
        Verb::Create | Verb::Update | Verb::Delete | Verb::Release => {
            let turn = engine.turn().await;
            fence(engine, call)?;
            match call.verb {
                Verb::Create => create(engine, &turn, call).await,
                Verb::Update => update(engine, &turn, call).await,
                Verb::Release => release(engine, &turn, call).await,
                _ => delete(engine, &turn, call).await,
            }
        }
    }
}

/// The basic profile has no fencing.
fn fence(engine: &Engine, call: &Call) -> Result<(), Refusal> {
    if engine.manner.profile == Profile::Basic {
        return Ok(());
    }
    match call.fencing_token()?.filter(|_| engine.manner.fencing) {
        Some(token) => {
            let cluster = cluster(engine, call);
            engine.inventory().fence(cluster, token)
        }
        None => Ok(()),
    }
}

/// The cluster that a call is about: its owner's, else that of the load
/// balancer that it names; empty for neither.
fn cluster(engine: &Engine, call: &Call) -> String {
    let request = call.shown();
    if let Some(cluster) = request["owner"]["cluster"].as_str() {
        return cluster.to_owned();
    }
    let id = request["lbId"].as_str().unwrap_or_default();
    let inventory = engine.inventory();
    let owner = inventory
        .by_id(id)
        .ok()
        .and_then(|entry| entry.load_balancer.owner.clone());
    owner.map(|owner| owner.cluster).unwrap_or_default()
}

async fn create(engine: &Arc<Engine>, turn: &Turn<'_>, call: &Call) -> Result<Done, Refusal> {
    let profile = engine.manner.profile;
    let request = call.request::<ChangeRequest>()?.limited_to(profile);
    let new = NewLoadBalancer {
        name: validation::name(&request)?,
        owner: validation::owner(&request)?,
        settings: validation::settings(&request)?,
        // The basic profile does not have this header.
        idempotency_key: match profile {
            Profile::Standard => idempotency_key(call)?,
            Profile::Basic => None,
        },
        state: State::Provisioning,
    };
    check_capabilities(engine, &new.settings)?;
    let creation = engine.inventory().create(new)?;
    let (effect, entry) = match creation {
        Creation::Existing(entry) => (Effect::Existed, entry),
        Creation::New(entry) if engine.manner.provisioning.is_zero() => (
            Effect::Created,
            turn.activate(&entry.load_balancer.id).await?,
        ),
        Creation::New(entry) => {
            turn.provision_later(&entry.load_balancer.id);
            (Effect::Created, entry)
        }
    };
    turn.save().await?;
    changed(effect, entry, profile)
}

fn check_capabilities(engine: &Engine, settings: &Settings) -> Result<(), Refusal> {
    let capabilities = engine.capabilities();
    capabilities.map_or(Ok(()), |capabilities| capabilities.check(settings))
}

fn idempotency_key(call: &Call) -> Result<Option<String>, Refusal> {
    match call.idempotency_key.as_deref() {
        Some("") => Err(Refusal::invalid("Idempotency-Key: it must not be empty")),
        key => Ok(key.map(str::to_owned)),
    }
}

async fn update(engine: &Arc<Engine>, turn: &Turn<'_>, call: &Call) -> Result<Done, Refusal> {
    let profile = engine.manner.profile;
    let request = call.request::<ChangeRequest>()?.limited_to(profile);
    let id = request.lb_id.clone().unwrap_or_default();
    let entry = engine.inventory().by_id(&id)?.clone();
    let mut settings = validation::settings(&request)?;
    let attaches = request.attach.unwrap_or_default();
    if attaches {
        settings = attached(engine, &entry, &request, settings)?;
    } else {
        check_same(&entry, &request)?;
    }
    // What it was made with stays possible.
    let before = check_capabilities(engine, &entry.load_balancer.settings);
    check_capabilities(engine, &settings).or_else(|refusal| match before {
        Err(before) if before == refusal => Ok(()),
        _ => Err(refusal),
    })?;
    if entry.load_balancer.state == State::Deleting {
        return Err(Refusal::new(
            Code::Conflict,
            format!("{id:?} is being deleted"),
        ));
    }
    if attaches && entry.load_balancer.owner.is_none() {
        let owner = validation::owner(&request)?;
        engine.inventory().change(&id, |found| {
            found.owner = owner;
            found.former_owner = None;
        })?;
    }
    if !engine.manner.updating.is_zero() {
        let entry = engine.inventory().postpone(&id, settings)?;
        turn.serve(&id).await?;
        turn.update_later(&id);
        turn.save().await?;
        return changed(Effect::Updated, entry, profile);
    }
    engine.inventory().change(&id, |load_balancer| {
        load_balancer.set(settings);
        // What could not be served gets another chance.
        if load_balancer.state == State::Error {
            load_balancer.state = State::Active;
            load_balancer.message.clear();
        }
    })?;
    let entry = turn.serve(&id).await?;
    turn.save().await?;
    changed(Effect::Updated, entry, profile)
}

/// What becomes of a load balancer that others made: only back ends and listeners change.
fn attached(
    engine: &Engine,
    entry: &Entry,
    request: &ChangeRequest,
    asked: Settings,
) -> Result<Settings, Refusal> {
    let can = engine.capabilities().and_then(|told| told.features);
    if !can.is_some_and(|features| features.iter().any(|name| name == "attach")) {
        return Err(Refusal::invalid("attach: not supported"));
    }
    let found = &entry.load_balancer;
    let name = validation::name(request)?;
    if name != found.name {
        let message = format!("name: it is {:?} and stays so", found.name);
        return Err(Refusal::invalid(message));
    }
    let owner = validation::owner(request)?;
    let owner = owner.ok_or_else(|| Refusal::invalid("owner: attach needs one"))?;
    if found.owner.is_some() && !same_owner(Some(&owner), found.owner.as_ref()) {
        let message = format!("{:?} belongs to another owner", found.id);
        return Err(Refusal::new(Code::Conflict, message));
    }
    Ok(Settings {
        nodes: asked.nodes,
        listeners: asked.listeners,
        ..found.settings.clone()
    })
}

/// Name, owner, address and whether it is internal stay what they were made.
fn check_same(entry: &Entry, request: &ChangeRequest) -> Result<(), Refusal> {
    let found = &entry.load_balancer;
    if validation::name(request)? != found.name {
        return Err(Refusal::invalid(format!(
            "name: it is {:?} and stays so",
            found.name
        )));
    }
    let owner = validation::owner(request)?;
    if owner.is_some() && !same_owner(owner.as_ref(), found.owner.as_ref()) {
        let message = format!("{:?} belongs to another owner", found.id);
        return Err(Refusal::new(Code::Conflict, message));
    }
    let internal = request.internal.unwrap_or_default();
    if internal != found.settings.internal {
        let message = format!("internal: it is {} and stays so", found.settings.internal);
        return Err(Refusal::invalid(message));
    }
    let (four, six) = validation::addresses(request)?;
    if four.is_some_and(|wanted| wanted != entry.reserved) {
        let message = format!("address: it is {} and stays so", entry.reserved);
        return Err(Refusal::invalid(message));
    }
    if six.is_some_and(|wanted| wanted != entry.reserved6) {
        let message = format!("addresses: it is {} and stays so", entry.reserved6);
        return Err(Refusal::invalid(message));
    }
    Ok(())
}

async fn delete(engine: &Arc<Engine>, turn: &Turn<'_>, call: &Call) -> Result<Done, Refusal> {
    let request: WhichRequest = call.request()?;
    let id = request.lb_id.unwrap_or_default();
    if id.is_empty() {
        return Err(Refusal::invalid("lbId: missing"));
    }
    let entry = if engine.manner.deletion.is_zero() {
        turn.remove(&id).await?
    } else {
        let deleting = engine
            .inventory()
            .change(&id, |going| going.state = State::Deleting)?;
        turn.serve(&id).await?;
        turn.remove_later(&id);
        deleting
    };
    turn.save().await?;
    Ok(Done {
        effect: Effect::Deleted,
        on: Some(entry),
        answer: serde_json::json!({ "err": "" }),
    })
}

/// Takes the owner off, for the owner that gives it up.
async fn release(engine: &Arc<Engine>, turn: &Turn<'_>, call: &Call) -> Result<Done, Refusal> {
    let can = engine.capabilities().and_then(|told| told.features);
    let can = can.is_some_and(|features| features.iter().any(|name| name == "release"));
    if engine.manner.profile == Profile::Basic || !can {
        return Err(Refusal::new(Code::NotFound, "this API has no such call"));
    }
    let request: ReleaseRequest = call.request()?;
    let id = request.lb_id.unwrap_or_default();
    if id.is_empty() {
        return Err(Refusal::invalid("lbId: missing"));
    }
    let owner = request
        .owner
        .filter(|owner| !owner.cluster.is_empty() && !owner.uid.is_empty());
    let owner =
        owner.ok_or_else(|| Refusal::invalid("owner: cluster and uid must not be empty"))?;
    let entry = engine.inventory().by_id(&id)?.clone();
    let found = &entry.load_balancer;
    let is_released =
        found.owner.is_none() && same_owner(found.former_owner.as_ref(), Some(&owner));
    if !is_released && !same_owner(found.owner.as_ref(), Some(&owner)) {
        let message = format!("{id:?} does not belong to this owner");
        return Err(Refusal::new(Code::Conflict, message));
    }
    let entry = engine.inventory().change(&id, |released| {
        if let Some(owner) = released.owner.take() {
            released.former_owner = Some(owner);
        }
    })?;
    turn.save().await?;
    Ok(Done {
        effect: Effect::Released,
        on: Some(entry),
        answer: serde_json::json!({ "err": "" }),
    })
}

fn query(engine: &Engine, call: &Call, blur: &Blur) -> Result<Done, Refusal> {
    let request: WhichRequest = call.request()?;
    let is_empty = |text: &Option<String>| text.as_deref() == Some("");
    if is_empty(&request.lb_id) || is_empty(&request.name) {
        return Err(Refusal::invalid("lbId, name: they must not be empty"));
    }
    let (id, name) = (
        request.lb_id.unwrap_or_default(),
        request.name.unwrap_or_default(),
    );
    if id.is_empty() && name.is_empty() {
        return Err(Refusal::invalid("lbId or name: missing"));
    }
    let fits = |found: &LoadBalancer| match id.as_str() {
        "" => found.name == name,
        id => found.id == id,
    };
    let found = match &blur.seen_before {
        Some(shelf) => shelf
            .values()
            .find(|entry| fits(&entry.load_balancer))
            .cloned(),
        None if id.is_empty() => engine.inventory().by_name(&name).cloned(),
        None => engine.inventory().by_id(&id).ok().cloned(),
    };
    let which = if id.is_empty() { &name } else { &id };
    let entry = found.ok_or_else(|| Refusal::not_found(which))?;
    Ok(Done {
        effect: Effect::Read,
        answer: json(&FullAnswer::new(
            &entry.load_balancer,
            engine.manner.profile,
        ))?,
        on: Some(entry),
    })
}

/// What a call of this verb answers about this load balancer.
pub(super) fn show(engine: &Engine, verb: Verb, id: &str) -> Result<Value, Refusal> {
    let entry = engine.inventory().by_id(id)?.clone();
    let (found, profile) = (&entry.load_balancer, engine.manner.profile);
    match verb {
        Verb::Create | Verb::Update => json(&ChangeAnswer::new(found, profile)),
        _ => json(&FullAnswer::new(found, profile)),
    }
}

fn list(engine: &Engine, call: &Call, blur: &Blur) -> Result<Done, Refusal> {
    if engine.manner.profile == Profile::Basic {
        return Err(Refusal::new(Code::NotFound, "this API has no such call"));
    }
    let request: ListRequest = call.request()?;
    let size = page_size(request.page_size)?;
    let after = page_start(request.page_token.as_deref().unwrap_or_default())?;
    let cluster = request.owner.and_then(|owner| owner.cluster);
    let fits = |entry: &Entry| {
        cluster.as_deref().is_none_or(|cluster| {
            let owner = entry.load_balancer.owner.as_ref();
            owner.is_some_and(|owner| owner.cluster == cluster)
        })
    };
    let page = |shelf: &Shelf| -> Vec<(u64, Arc<Entry>)> {
        let fitting = shelf
            .iter()
            .filter(|(_, entry)| fits(entry))
            .skip(blur.omit);
        let rest = fitting.filter(|(number, _)| **number > after);
        // One more than a page shows whether there is another page.
        rest.take(size + 1)
            .map(|(number, entry)| (*number, entry.clone()))
            .collect()
    };
    let mut found = match &blur.seen_before {
        Some(shelf) => page(shelf),
        None => page(engine.inventory().shelf()),
    };
    let more = found.len() > size;
    found.truncate(size);
    let answer = ListAnswer {
        items: found
            .iter()
            .map(|(_, entry)| FullAnswer::new(&entry.load_balancer, Profile::Standard))
            .collect(),
        next_page_token: match found.last() {
            Some((number, _)) if more => number.to_string(),
            _ => String::new(),
        },
        err: "",
    };
    Ok(Done {
        effect: Effect::Read,
        on: None,
        answer: json(&answer)?,
    })
}

fn capabilities(engine: &Engine, call: &Call) -> Result<Done, Refusal> {
    let told = engine.capabilities();
    let told = told.filter(|_| engine.manner.profile == Profile::Standard);
    let absent = || Refusal::new(Code::NotFound, "this API has no such call");
    let mut capabilities = told.ok_or_else(absent)?;
    let _: NoRequest = call.request()?;
    let used = engine.inventory().shelf().len() as u64;
    capabilities.limits = capabilities.limits.map(|limits| Limits {
        used: limits.used.or(Some(used)),
        ..limits
    });
    let answer = json(&CapabilitiesAnswer {
        capabilities,
        err: "",
    })?;
    Ok(Done {
        effect: Effect::Read,
        on: None,
        answer,
    })
}

fn page_size(asked: Option<i64>) -> Result<usize, Refusal> {
    match asked {
        None => Ok(PAGE),
        Some(asked @ 1..=LARGEST_PAGE) => Ok(usize::try_from(asked).unwrap_or(PAGE)),
        Some(asked) => Err(Refusal::invalid(format!(
            "pageSize: {asked} is not within 1 to {LARGEST_PAGE}"
        ))),
    }
}

/// A token is the number of the last load balancer shown, so that none is left
/// out or shown twice when others come and go between two pages.
fn page_start(token: &str) -> Result<u64, Refusal> {
    if token.is_empty() {
        return Ok(0);
    }
    token
        .parse()
        .map_err(|_| Refusal::invalid(format!("pageToken: {token:?} is not ours")))
}

fn changed(effect: Effect, entry: Arc<Entry>, profile: Profile) -> Result<Done, Refusal> {
    Ok(Done {
        effect,
        answer: json(&ChangeAnswer::new(&entry.load_balancer, profile))?,
        on: Some(entry),
    })
}

fn json(answer: &impl serde::Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(answer).map_err(|error| Refusal::new(Code::Internal, error.to_string()))
}
