//! What is behind a front, and how a request gets there.

use anyhow::{Context, Result, bail};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, header};
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::{Api, DeleteParams};

/// Larger than any request or answer that matters here.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// Where kube-apiserver has all Services.
const SERVICES: &str = "/api/v1/services";

/// Where it has all Nodes.
const NODES: &str = "/api/v1/nodes";

/// What is behind a front.
pub(super) enum Behind {
    ApiServer {
        client: Client,
        administrator: Client,
    },
    Cloud(String, reqwest::Client),
}

/// What a request is, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A write that counts.
    Write,
    /// The list of all Services.
    List,
    /// The watch of all Services.
    Watch,
    /// A read of Nodes.
    Nodes,
    /// The watch of all Nodes.
    NodeWatch,
    Other,
}

impl Behind {
    pub(super) fn kind(&self, request: &Request) -> Kind {
        let path = request.uri().path();
        let is = |verb: &str| path.ends_with(verb);
        match self {
            Self::ApiServer { .. } if path == SERVICES => match is_watch(request) {
                true => Kind::Watch,
                false => Kind::List,
            },
            Self::ApiServer { .. } if path.starts_with(NODES) => match is_watch(request) {
                true => Kind::NodeWatch,
                false => Kind::Nodes,
            },
            Self::ApiServer { .. }
                if request.method() == Method::PATCH && path.contains("/services/") =>
            {
                Kind::Write
            }
            Self::Cloud(..) if is("/create") || is("/update") || is("/delete") => Kind::Write,
            _ => Kind::Other,
        }
    }

    /// Whether the answer shows Services.
    pub(super) fn is_of_services(&self, request: &Request) -> bool {
        let path = request.uri().path();
        let is_api_server = matches!(self, Self::ApiServer { .. });
        is_api_server && (path == SERVICES || path.contains("/services/"))
    }

    /// Passes a request on.
    pub(super) async fn carry(&self, request: Request) -> Result<Response> {
        match self {
            Self::ApiServer { client, .. } => pass_on(client, request).await,
            Self::Cloud(endpoint, client) => {
                let (mut parts, body) = request.into_parts();
                let body = to_bytes(body, BODY_LIMIT).await?;
                let path = parts.uri.path_and_query().context("a path")?;
                parts.headers.remove(header::HOST);
                let request = client.request(parts.method, format!("{endpoint}{path}"));
                let answer = request.headers(parts.headers).body(body).send().await?;
                let (status, mut headers) = (answer.status(), answer.headers().clone());
                drop_hop_by_hop(&mut headers);
                Ok((status, headers, answer.bytes().await?).into_response())
            }
        }
    }

    /// See [`Strike::Vanish`](super::Strike::Vanish).
    pub(super) async fn vanish(&self, request: Request) -> Result<Response> {
        let Self::ApiServer { administrator, .. } = self else {
            bail!("only a Service can vanish");
        };
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        let [
            "",
            "api",
            "v1",
            "namespaces",
            namespace,
            "services",
            name,
            "status",
        ] = parts[..]
        else {
            bail!("{path} is no status of a Service");
        };
        let patch = to_bytes(request.into_body(), BODY_LIMIT).await?;
        let patch: serde_json::Value = serde_json::from_slice(&patch)?;
        let services: Api<Service> = Api::namespaced(administrator.clone(), namespace);
        let mut answer = serde_json::to_value(services.get(name).await?)?;
        answer["metadata"]["finalizers"] = patch["metadata"]["finalizers"].clone();
        let annotations = patch["metadata"]["annotations"].as_object();
        for (name, value) in annotations.into_iter().flatten() {
            answer["metadata"]["annotations"][name] = value.clone();
        }
        services.delete(name, &DeleteParams::default()).await?;
        Ok(axum::Json(answer).into_response())
    }
}

fn is_watch(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|part| part == "watch=true")
}

/// Passes a request on to kube-apiserver, and its answer back as it comes.
///
/// # Errors
/// The request cannot be read to its end, or there is no answer.
pub async fn pass_on(client: &Client, request: Request) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await?;
    // The client has its own host and its own way to authenticate.
    parts.headers.remove(header::HOST);
    parts.headers.remove(header::CONTENT_LENGTH);
    let request = Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    let (mut parts, body) = client.send(request).await?.into_parts();
    drop_hop_by_hop(&mut parts.headers);
    Ok(Response::from_parts(parts, Body::new(body)))
}

/// The list of all Services as it is now, in the words of kube-apiserver.
pub(super) async fn list_of_services(client: &Client) -> Result<String> {
    let request = http::Request::get(SERVICES).body(Vec::new())?;
    Ok(client.request_text(request).await?)
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    for name in [
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
        header::CONNECTION,
    ] {
        headers.remove(name);
    }
}
