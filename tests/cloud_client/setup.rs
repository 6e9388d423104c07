//! Settings that cannot work are told before the first call.

use my_cloud_controller_manager::cloud::{CloudSetupError, Profile, RestCloud, RestSettings};
use std::sync::Arc;

use crate::edge::{client, settings};

fn refusal(settings: RestSettings) -> CloudSetupError {
    let built = RestCloud::new(settings, Arc::new(|_| {}));
    built.err().expect("refused")
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let good = settings("http://cloud1-api:8080", Profile::Standard);
    // Builds, and installs what cryptography needs.
    drop(client(good.clone()));

    let endpoint = "ftp://cloud1-api".parse().expect("URL");
    let refused = refusal(RestSettings {
        endpoint,
        ..good.clone()
    });
    assert!(
        matches!(refused, CloudSetupError::Endpoint { .. }),
        "{refused}"
    );

    let directory = std::env::temp_dir();
    let missing = directory.join(format!("no-authority-{}", std::process::id()));
    let refused = refusal(RestSettings {
        ca_file: Some(missing.clone()),
        ..good.clone()
    });
    assert!(
        matches!(refused, CloudSetupError::UnreadableAuthority { .. }),
        "{refused}"
    );

    std::fs::write(&missing, "not a certificate").expect("written");
    let refused = refusal(RestSettings {
        ca_file: Some(missing.clone()),
        ..good
    });
    std::fs::remove_file(missing).expect("removed");
    assert!(
        matches!(refused, CloudSetupError::NoAuthority { .. }),
        "{refused}"
    );
}
