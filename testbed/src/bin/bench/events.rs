//! The Events that have reached kube-apiserver.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

use crate::requests;
use crate::stage::Stage;

/// Objects of one page of a list.
const PAGE: usize = 2_000;

#[derive(Deserialize)]
struct Page {
    metadata: PageMetadata,
    items: Vec<Event>,
}

#[derive(Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    next: String,
}

#[derive(Deserialize)]
struct Event {
    reason: String,
    #[serde(default)]
    series: Option<Series>,
}

#[derive(Deserialize)]
struct Series {
    count: usize,
}

impl Stage {
    /// How many Events there are of each reason; one that was repeated counts as often.
    ///
    /// # Errors
    /// kube-apiserver did not answer.
    pub async fn events(&self) -> Result<BTreeMap<String, usize>> {
        let client = self.client();
        let path = requests::events(&self.test.namespace);
        let mut counts = BTreeMap::new();
        let mut next = String::new();
        loop {
            let page = format!("{path}?limit={PAGE}&continue={next}");
            let page: Page = requests::get(&client, &page).await?;
            for event in page.items {
                let times = event.series.map_or(1, |series| series.count);
                *counts.entry(event.reason).or_default() += times;
            }
            if page.metadata.next.is_empty() {
                return Ok(counts);
            }
            next = page.metadata.next;
        }
    }
}
