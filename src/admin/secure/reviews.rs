//! The reviews of a token by the API server: its user, and the permissions of the user.

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};

use super::decisions::Decision;

/// The path to authorize.
const PATH: &str = "/metrics";

/// Authenticates the token, and then authorizes its user.
///
/// # Errors
/// The API server failed, or rejected a review.
pub(super) async fn review(client: &Client, verb: &str, token: &str) -> kube::Result<Decision> {
    let Some(user) = authenticate(client, token).await? else {
        return Ok(Decision::Unknown);
    };
    let name = user.username.clone().unwrap_or_default();
    if is_authorized(client, verb, user).await? {
        return Ok(Decision::Allowed);
    }
    Ok(Decision::Denied { user: name })
}

async fn authenticate(client: &Client, token: &str) -> kube::Result<Option<UserInfo>> {
    let review = TokenReview {
        spec: TokenReviewSpec {
            token: token.to_owned(),
            audiences: None,
        },
        ..TokenReview::default()
    };
    let reviews = Api::<TokenReview>::all(client.clone());
    let reviewed = reviews.create(&PostParams::default(), &review).await?;
    let status = reviewed.status.unwrap_or_default();
    let is_authenticated = status.authenticated == Some(true);
    Ok(status.user.filter(|_| is_authenticated))
}

async fn is_authorized(client: &Client, verb: &str, user: UserInfo) -> kube::Result<bool> {
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
    let reviewed = reviews.create(&PostParams::default(), &review).await?;
    Ok(reviewed.status.is_some_and(|status| status.allowed))
}
