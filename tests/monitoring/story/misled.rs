//! A replica that is shown a value that no API server shows, and then the data of before.

use anyhow::Result;
use serde_json::json;
use testbed::Replica;
use testbed::interposer::{Interposer, OldList};

use super::alerts::Expected;
use super::chapters::Story;

const SERVICE: &str = "one-0";

impl Story {
    pub async fn replica_misled(&mut self) -> Result<()> {
        let unreadable: Expected = ("MyCloudLBUnreadableObjects", &[("kind", "service")]);
        self.chapter("a Service cannot be read", &[unreadable]);
        let test = &self.world.test;
        let mut options = self.world.options("ccm-misled");
        let (interposer, directory) = (Interposer::new(), tempfile::tempdir()?);
        let direct = options.kubeconfig.clone();
        let front = interposer.before_api_server(&direct, test.client(), directory.path());
        let (_front, kubeconfig) = front.await?;
        options.kubeconfig = kubeconfig;
        let before = OldList::record(&test.client()).await?;
        // The replica begins with later data.
        test.annotate(SERVICE, &[("unrelated", Some("later"))])
            .await?;
        interposer.view().rewrite(|service| {
            if service["metadata"]["name"] == SERVICE {
                service["spec"]["type"] = json!(7);
            }
        });
        let misled = Replica::start(options).await?;
        self.world.scrape(&[("ccm-misled", &misled)])?;
        self.until_firing(&[unreadable]).await?;

        let went_back: Expected = ("MyCloudLBDataWentBack", &[]);
        self.chapter("the data goes back in time", &[went_back]);
        interposer.view().show_truth();
        interposer.view().go_back(before);
        self.until_firing(&[went_back]).await?;
        self.world.scrape(&[])
    }
}
