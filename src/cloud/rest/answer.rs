//! What the client makes of an answer that is already here.
//!
//! These are the last steps of each call, without its connection: the classification of the
//! response, and the reading of its body. Millions of hostile answers can be read this way
//! in a minute, which is what `fuzz/` does, and `tests/fuzz_corpora.rs` with the answers
//! that it kept.

use http::StatusCode;

use super::list::Listing;
use super::{RestCloud, none_if_not_found};
use crate::cloud::Which;
use crate::cloud::call::Verb;
use crate::cloud::error::CloudError;
use crate::cloud::response::Response;
use crate::plan::CreateRequest;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::ClusterId;

/// The call about one load balancer that was answered.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    Query(Which<'a>),
    Create(&'a CreateRequest),
    Update {
        /// What was known of the load balancer.
        before: &'a LoadBalancer,
        request: &'a CreateRequest,
    },
    Delete,
}

/// An answer of a cloud.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// After decompression. The connection gives up bodies that are too large.
    pub body: Vec<u8>,
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        let Answer { status, body } = answer;
        let retry_after = None;
        Self {
            status,
            retry_after,
            body,
        }
    }
}

impl RestCloud {
    /// Reads the answer to a call about one load balancer. `None` means that it does not
    /// exist, or that its deletion was accepted.
    ///
    /// Must be called within a tokio runtime, like the calls themselves.
    ///
    /// # Errors
    /// Those of the call.
    pub fn read_answer(
        &self,
        asked: Asked<'_>,
        answer: Answer,
    ) -> Result<Option<LoadBalancer>, CloudError> {
        let verb = match asked {
            Asked::Query(_) => Verb::Query,
            Asked::Create(_) => Verb::Create,
            Asked::Update { .. } => Verb::Update,
            Asked::Delete => Verb::Delete,
        };
        let read = |body: &[u8]| match asked {
            Asked::Query(which) => self.queried(which, body).map(Some),
            Asked::Create(request) => {
                let body = self.load_balancer(verb, body)?;
                self.changed(verb, body, None, request).map(Some)
            }
            Asked::Update { before, request } => {
                let body = self.load_balancer(verb, body)?;
                self.changed(verb, body, Some(before), request).map(Some)
            }
            Asked::Delete => Ok(None),
        };
        let result = self.api_client.answered(verb, &answer.into(), read);
        match asked {
            Asked::Query(_) | Asked::Delete => none_if_not_found(result, None),
            Asked::Create(_) | Asked::Update { .. } => result,
        }
    }

    /// Reads the answer to a list of this cluster's load balancers: those of one page, and
    /// the token of the next page. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Those of the call.
    pub fn read_list_answer(
        &self,
        cluster: &ClusterId,
        answer: Answer,
    ) -> Result<(Vec<LoadBalancer>, Option<String>), CloudError> {
        let mut listing = Listing::default();
        let read = |body: &[u8]| self.read_page(cluster, body, &mut listing);
        let token = self.api_client.answered(Verb::List, &answer.into(), read)?;
        Ok((listing.found.iter().cloned().collect(), token))
    }
}
