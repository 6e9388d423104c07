//! What the API server says of a token: whose it is, and what that user may do.

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};

use super::decisions::Decision;

/// What is asked for.
const PATH: &str = "/metrics";

/// Asks who it is, and then what they may.
///
/// # Errors
/// The API server did not answer, or not us.
pub(super) async fn review(client: &Client, verb: &str, token: &str) -> kube::Result<Decision> {
    let Some(user) = user(client, token).await? else {
        return Ok(Decision::Unknown);
    };
    let name = user.username.clone().unwrap_or_default();
    if may(client, verb, user).await? {
        return Ok(Decision::Allowed);
    }
    Ok(Decision::Denied { user: name })
}

async fn user(client: &Client, token: &str) -> kube::Result<Option<UserInfo>> {
    let review = TokenReview {
        spec: TokenReviewSpec {
            token: token.to_owned(),
            audiences: None,
        },
        ..TokenReview::default()
    };
    let reviews = Api::<TokenReview>::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    let status = answer.status.unwrap_or_default();
    let is_known = status.authenticated == Some(true);
    Ok(status.user.filter(|_| is_known))
}

async fn may(client: &Client, verb: &str, user: UserInfo) -> kube::Result<bool> {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            non_resource_attributes: Some(NonResourceAttributes {
                path: Some(PATH.to_owned()),
                verb: Some(verb.to_owned()),
            }),
            user: user.username,
            uid: user.uid,
            groups: user.groups,
            extra: user.extra,
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews = Api::<SubjectAccessReview>::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
