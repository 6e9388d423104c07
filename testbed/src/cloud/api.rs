//! The cloud's API over HTTP, with its faults.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit};
use axum::http::{HeaderMap, Response};
use axum::routing::post;

use super::answer::{Answer, Delivery, Reply};
use super::call::Call;
use super::connection::Connection;
use super::engine::Engine;
use super::event::{Effect, Outcome, Verb};
use super::fault::{Failure, FaultKind, LateReply, Struck};
use super::operation::{self, Blur};
use super::refusal::{Code, Refusal};

/// Largest request: 10,000 nodes fit several times.
const BODY_LIMIT: usize = 1 << 20;

/// The routes of the verbs.
pub(super) fn routes(engine: &Arc<Engine>) -> Router {
    let mut router = Router::new();
    for verb in Verb::ALL {
        let engine = engine.clone();
        let handler = move |ConnectInfo(connection): ConnectInfo<Connection>,
                            headers: HeaderMap,
                            body: Result<Bytes, BytesRejection>| {
            let call = Call::read(verb, &headers, body.map_err(|error| error.body_text()));
            respond(engine.clone(), call, connection)
        };
        router = router.route(&format!("/api/v1/lb/{}", verb.as_str()), post(handler));
    }
    let profile = engine.manner.profile;
    let unknown = Refusal::new(Code::NotFound, "this API has no such call");
    router
        .fallback(async move || Answer::refusal(&unknown, profile).into_response())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// Notes how a call ends, even when its caller goes away.
struct Ending {
    engine: Arc<Engine>,
    sequence: u64,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.engine.events.ended(self.sequence, Outcome::Abandoned);
    }
}

async fn respond(engine: Arc<Engine>, call: Call, connection: Connection) -> Response<Body> {
    let arrival = call.arrival(&engine);
    let subject = call.subject(&engine, &arrival);
    let struck = engine.faults.strike(call.verb, &subject);
    let sequence = engine.events.arrived(arrival);
    if let Some(kind) = &struck.kind {
        let (cloud, verb) = (&engine.manner.name, call.verb.as_str());
        tracing::info!(cloud, "{verb}: fault {} strikes", kind.as_str());
        engine.events.struck(sequence, kind.as_str());
    }
    let ending = Ending {
        engine: engine.clone(),
        sequence,
    };
    // A task of its own: a real cloud goes on when its caller has gone.
    let work = reply(engine.clone(), Arc::new(call), sequence, struck);
    let work = engine
        .tasks
        .spawn(engine.stop.clone().run_until_cancelled_owned(work));
    let reply = work.await.ok().flatten().unwrap_or(Reply::Lost);
    match reply {
        Reply::Answer(answer) => {
            engine.events.ended(ending.sequence, answer.outcome());
            answer.into_response()
        }
        Reply::Lost => {
            engine.events.ended(ending.sequence, Outcome::ReplyLost);
            connection.cut();
            Response::default()
        }
        Reply::Never => {
            engine.stop.cancelled().await;
            connection.cut();
            Response::default()
        }
    }
}

/// Carries a call out the way that its faults want it.
async fn reply(engine: Arc<Engine>, call: Arc<Call>, sequence: u64, struck: Struck) -> Reply {
    let manner = &engine.manner;
    let of_mutations = match call.verb.is_mutation() {
        true => manner.mutation_latency,
        false => Duration::ZERO,
    };
    tokio::time::sleep(manner.latency + of_mutations + struck.latency).await;
    let profile = engine.manner.profile;
    let mut blur = Blur {
        seen_before: struck.seen_before,
        omit: 0,
    };
    let truly = async |blur: &Blur| carry_out(&engine, &call, sequence, blur).await;
    let Some(kind) = struck.kind else {
        return Reply::Answer(truly(&blur).await);
    };
    Reply::Answer(match kind {
        FaultKind::Latency { .. } | FaultKind::Stale => truly(&blur).await,
        FaultKind::ListIncomplete { omit } => {
            blur.omit = omit;
            truly(&blur).await
        }
        FaultKind::Hang { after_effect } => {
            if after_effect {
                truly(&blur).await;
            }
            return Reply::Never;
        }
        FaultKind::LoseReply => {
            truly(&blur).await;
            return Reply::Lost;
        }
        FaultKind::ExecuteLate {
            delay_millis,
            reply,
        } => {
            carry_out_late(&engine, call, sequence, Duration::from_millis(delay_millis));
            match reply {
                LateReply::Lost => return Reply::Lost,
                LateReply::Hang => return Reply::Never,
                LateReply::Fail(failure) => Answer::failure(&failure, profile),
            }
        }
        FaultKind::Throttle {
            retry_after_seconds,
            as_date,
        } => Answer::throttled(retry_after_seconds, as_date, profile),
        FaultKind::FailBefore(failure) => Answer::failure(&failure, profile),
        FaultKind::FailAfter(failure) => {
            truly(&blur).await;
            Answer::failure(&failure, profile)
        }
        FaultKind::GarbageBody => {
            let garbage = "<html>502 Bad Gateway</html>".to_owned();
            truly(&blur).await.with_body(garbage)
        }
        FaultKind::OversizedBody { bytes } => truly(&blur).await.padded(bytes),
        FaultKind::CutBody => truly(&blur).await.delivered(Delivery::Cut),
        FaultKind::Trickle { pause_millis } => {
            let pause = Duration::from_millis(pause_millis);
            truly(&blur).await.delivered(Delivery::Trickle(pause))
        }
        FaultKind::Hostile { number } => {
            let truth = truly(&blur).await;
            truth.hostile(call.verb, call.shown(), number)
        }
        FaultKind::AnswerAnother { id } => {
            let truth = truly(&blur).await;
            operation::show(&engine, call.verb, &id)
                .map_or(truth, |another| Answer::success(&another))
        }
        FaultKind::OmitField { field } => truly(&blur).await.without(&field),
        FaultKind::OtherWords => truly(&blur).await.in_other_words(),
        FaultKind::RefuseBackEnd { address } => {
            let nodes = call.shown()["nodes"].as_array();
            let is_meant =
                |nodes: &Vec<serde_json::Value>| nodes.iter().any(|node| *node == address);
            if nodes.is_some_and(is_meant) {
                Answer::failure(&Failure::code(Code::InvalidArgument), profile)
            } else {
                truly(&blur).await
            }
        }
        FaultKind::Redirect { location } => Answer::redirect(location),
    })
}

fn carry_out_late(engine: &Arc<Engine>, call: Arc<Call>, sequence: u64, delay: Duration) {
    let late = engine.clone();
    let work = async move {
        tokio::time::sleep(delay).await;
        carry_out(&late, &call, sequence, &Blur::default()).await;
    };
    engine
        .tasks
        .spawn(engine.stop.clone().run_until_cancelled_owned(work));
}

/// Carries a call out and notes that in the event log and in the log.
async fn carry_out(engine: &Arc<Engine>, call: &Call, sequence: u64, blur: &Blur) -> Answer {
    let cloud = engine.manner.name.as_str();
    let verb = call.verb.as_str();
    match operation::carry_out(engine, call, blur).await {
        Ok(done) => {
            let on = done.on.as_ref().map(|entry| &entry.load_balancer);
            let on = on.map(|found| (found.id.as_str(), found.name.as_str()));
            engine.events.carried_out(sequence, done.effect, on);
            let (id, name) = on.unwrap_or_default();
            tracing::info!(cloud, id, name, "{verb}: {:?}", done.effect);
            Answer::success(&done.answer)
        }
        Err(refusal) => {
            let effect = Effect::Refused(refusal.code);
            engine.events.carried_out(sequence, effect, None);
            tracing::info!(cloud, "{verb}: {}: {}", refusal.code, refusal.message);
            Answer::refusal(&refusal, engine.manner.profile)
        }
    }
}
