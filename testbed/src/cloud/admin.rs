//! The admin API: for tests and for people, not for the cloud's customers.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::capabilities::Capabilities;
use super::engine::Engine;
use super::event::Event;
use super::fault::Fault;
use super::load_balancer::{LoadBalancer, Plant};
use super::refusal::Refusal;

type Answer<T> = Result<T, Refusal>;

/// The routes under /admin.
pub(super) fn routes(engine: Arc<Engine>) -> Router {
    let faults = get(show_faults)
        .put(replace_faults)
        .post(add_faults)
        .delete(clear_faults);
    let capabilities = get(show_capabilities).put(replace_capabilities);
    Router::new()
        .route("/admin/inventory", get(inventory))
        .route("/admin/events", get(events))
        .route("/admin/faults", faults)
        .route("/admin/capabilities", capabilities)
        .route("/admin/load-balancers", post(plant))
        .route("/admin/load-balancers/{id}", delete(remove).patch(edit))
        .with_state(engine)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status());
        let body = json!({ "err": self.message, "code": self.code });
        (status.unwrap_or(StatusCode::BAD_REQUEST), Json(body)).into_response()
    }
}

async fn inventory(State(engine): State<Arc<Engine>>) -> Json<Vec<LoadBalancer>> {
    Json(engine.load_balancers())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Since {
    /// Only events with a greater sequence number.
    after: u64,
}

async fn events(State(engine): State<Arc<Engine>>, Query(since): Query<Since>) -> Json<Vec<Event>> {
    Json(engine.events.after(since.after))
}

async fn show_faults(State(engine): State<Arc<Engine>>) -> Json<Vec<Fault>> {
    Json(engine.faults.all())
}

async fn replace_faults(
    State(engine): State<Arc<Engine>>,
    Json(body): Json<Value>,
) -> Answer<Json<Vec<Fault>>> {
    let faults = read_faults(body)?;
    engine.faults.clear();
    Ok(set_faults(&engine, faults))
}

async fn add_faults(
    State(engine): State<Arc<Engine>>,
    Json(body): Json<Value>,
) -> Answer<Json<Vec<Fault>>> {
    Ok(set_faults(&engine, read_faults(body)?))
}

async fn clear_faults(State(engine): State<Arc<Engine>>) -> StatusCode {
    engine.faults.clear();
    StatusCode::NO_CONTENT
}

async fn show_capabilities(State(engine): State<Arc<Engine>>) -> Json<Option<Capabilities>> {
    Json(engine.capabilities())
}

/// Null makes it a cloud that does not tell.
async fn replace_capabilities(
    State(engine): State<Arc<Engine>>,
    Json(body): Json<Value>,
) -> Answer<Json<Option<Capabilities>>> {
    engine.set_capabilities(read(body)?);
    Ok(Json(engine.capabilities()))
}

async fn plant(
    State(engine): State<Arc<Engine>>,
    Json(body): Json<Value>,
) -> Answer<(StatusCode, Json<LoadBalancer>)> {
    let planted = engine.plant(read::<Plant>(body)?).await?;
    Ok((StatusCode::CREATED, Json(planted)))
}

async fn remove(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
) -> Answer<Json<LoadBalancer>> {
    Ok(Json(engine.remove(&id).await?))
}

/// A JSON merge patch (RFC 7396) of what the inventory shows.
async fn edit(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    Json(patch): Json<Value>,
) -> Answer<Json<LoadBalancer>> {
    let found = engine.inventory().by_id(&id)?.load_balancer.clone();
    let mut body = serde_json::to_value(found).unwrap_or_default();
    merge(&mut body, patch);
    let edited: LoadBalancer = read(body)?;
    Ok(Json(
        engine
            .edit(&id, |load_balancer| *load_balancer = edited)
            .await?,
    ))
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    if let Value::Object(fields) = target {
        for (name, value) in patch {
            match value {
                Value::Null => drop(fields.remove(&name)),
                value => merge(fields.entry(name).or_insert(Value::Null), value),
            }
        }
    }
}

/// One fault or a list of them.
fn read_faults(body: Value) -> Answer<Vec<Fault>> {
    match body {
        Value::Array(faults) => faults.into_iter().map(read).collect(),
        fault => Ok(vec![read(fault)?]),
    }
}

fn set_faults(engine: &Engine, faults: Vec<Fault>) -> Json<Vec<Fault>> {
    for fault in faults {
        engine.set_fault(fault);
    }
    Json(engine.faults.all())
}

fn read<T: DeserializeOwned>(body: Value) -> Answer<T> {
    serde_json::from_value(body).map_err(|error| Refusal::invalid(error.to_string()))
}
