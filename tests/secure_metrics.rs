//! Metrics for those who may read them: TLS, and kube-apiserver asked who a
//! client is and what it may do, under the rules of `deploy/secure-metrics/access.yaml`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::{Certificate, Client, StatusCode};
use serde_json::Value;
use testbed::environment::SOON;
use testbed::replica::free_address;
use testbed::{Environment, Replica, eventually};

/// For a minute, less a margin.
const DECISIONS_HOLD: Duration = Duration::from_secs(50);

/// One who may, and one who may not.
const SCRAPERS: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: {name: scraper, namespace: default}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: passer-by, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: scraper}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: my-cloud-controller-manager-metrics-reader
subjects: [{kind: ServiceAccount, name: scraper, namespace: default}]
"#;

/// A replica with secure metrics, and the directory of its certificate.
struct Secured {
    replica: Replica,
    address: String,
    files: PathBuf,
}

impl Secured {
    async fn start(name: &str, extra: &[&str]) -> Result<(Environment, Self)> {
        let test = Environment::own(name).await?;
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/secure-metrics/access.yaml");
        test.control_plane.apply_file(&rules).await?;
        test.control_plane.apply(SCRAPERS).await?;
        let files = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&files)?;
        write_certificate(&files)?;
        let address = free_address()?.to_string();
        let mut options = test.replica_options(name);
        let path = |name: &str| files.join(name).display().to_string();
        options.extra_args = vec![
            "--leader-elect=false".into(),
            format!("--metrics-secure-address={address}"),
            format!("--metrics-tls-cert-file={}", path("tls.crt")),
            format!("--metrics-tls-key-file={}", path("tls.key")),
        ];
        let extra = extra.iter().map(|flag| (*flag).to_owned());
        options.extra_args.extend(extra);
        let replica = Replica::start(options).await?;
        let secured = Self {
            replica,
            address,
            files,
        };
        Ok((test, secured))
    }

    /// Trusts the certificate that is in the file now, and no other.
    fn http(&self) -> Result<Client> {
        let pem = std::fs::read(self.files.join("tls.crt"))?;
        Ok(Client::builder()
            .tls_certs_only([Certificate::from_pem(&pem)?])
            .no_proxy()
            .build()?)
    }

    async fn get(&self, token: Option<&str>) -> Result<(StatusCode, String)> {
        let mut request = self
            .http()?
            .get(format!("https://{}/metrics", self.address));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        Ok((answer.status(), answer.text().await?))
    }

    async fn plain(&self, path: &str) -> Result<u16> {
        let answer = reqwest::get(format!("{}{path}", self.replica.admin_url())).await?;
        Ok(answer.status().as_u16())
    }
}

/// A new token of a ServiceAccount.
async fn token(test: &Environment, account: &str) -> Result<String> {
    let file = test
        .control_plane
        .service_account_kubeconfig("default", account);
    let file: Value = serde_json::from_slice(&std::fs::read(file.await?)?)?;
    let token = file["users"][0]["user"]["token"].as_str();
    Ok(token.context("a token")?.to_owned())
}

/// Reviews that the replica asked for: of tokens, and of rights.
fn reviews(test: &Environment) -> Result<(usize, usize)> {
    let events = test.control_plane.audit_events()?;
    let count = |resource: &str| {
        let of_it = events.iter().filter(|event| event.resource == resource);
        of_it.count()
    };
    Ok((count("tokenreviews"), count("subjectaccessreviews")))
}

fn write_certificate(directory: &Path) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    std::fs::write(directory.join("tls.key"), made.signing_key.serialize_pem())?;
    std::fs::write(directory.join("tls.crt"), made.cert.pem())?;
    Ok(())
}

#[tokio::test]
async fn who_may_reads_them_and_nobody_else() -> Result<()> {
    let (test, secured) = Secured::start("secure", &[]).await?;
    let may = token(&test, "scraper").await?;
    let may_not = token(&test, "passer-by").await?;
    let began = Instant::now();
    let (status, text) = secured.get(Some(&may)).await?;
    ensure!(status == 200, "{status}: {text}");
    ensure!(text.contains("\nmycloud_lb_build_info{"), "{text}");

    let (status, text) = secured.get(Some(&may_not)).await?;
    ensure!(status == 403, "{status}: {text}");
    let user = "system:serviceaccount:default:passer-by";
    ensure!(
        text == format!("Forbidden: {user} may not get /metrics\n"),
        "{text}"
    );
    let forged = format!("{may}x");
    for token in [None, Some("nobody's"), Some(forged.as_str())] {
        let (status, text) = secured.get(token).await?;
        ensure!(status == 401, "{token:?}: {status}: {text}");
    }

    // What was decided is not asked again.
    let asked = eventually("every review to be in the audit log", SOON, async || {
        let reviews = reviews(&test)?;
        let is_all = reviews.0 >= 4 && reviews.1 >= 2;
        Ok(is_all.then_some(reviews))
    })
    .await?;
    for _ in 0..5 {
        ensure!(secured.get(Some(&may)).await?.0 == 200);
        ensure!(secured.get(Some(&may_not)).await?.0 == 403);
    }
    let another = token(&test, "passer-by").await?;
    ensure!(secured.get(Some(&another)).await?.0 == 403);
    eventually("the other token's reviews", SOON, async || {
        let found = reviews(&test)?;
        Ok((found.0 > asked.0 && found.1 > asked.1).then_some(()))
    })
    .await?;
    // On a machine with much to do a decision may be too old, and asked for again.
    if began.elapsed() < DECISIONS_HOLD {
        let (asked, found) = ((5, 3), reviews(&test)?);
        ensure!(found == asked, "{found:?} reviews, not {asked:?}");
    }
    Ok(())
}

#[tokio::test]
async fn each_port_serves_its_own() -> Result<()> {
    let (test, secured) = Secured::start("secure-ports", &[]).await?;
    ensure!(secured.plain("/readyz").await? == 200);
    ensure!(secured.plain("/metrics").await? == 404);
    let token = token(&test, "scraper").await?;
    for path in ["/livez", "/readyz", "/debug/log-filter", "/"] {
        let url = format!("https://{}{path}", secured.address);
        let answer = secured.http()?.get(url).bearer_auth(&token).send().await?;
        ensure!(answer.status() == 404, "{path}: {}", answer.status());
    }
    let url = format!("http://{}/metrics", secured.address);
    ensure!(reqwest::get(&url).await.is_err(), "no TLS, no answer");

    let (_test, both) = Secured::start("secure-both", &["--metrics-plain"]).await?;
    ensure!(both.plain("/metrics").await? == 200);
    ensure!(both.get(None).await?.0 == 401);
    Ok(())
}

#[tokio::test]
async fn without_the_api_server_nobody_new_is_let_in() -> Result<()> {
    let (test, secured) = Secured::start("secure-away", &[]).await?;
    let may = token(&test, "scraper").await?;
    let late = token(&test, "scraper").await?;
    ensure!(may != late, "two tokens of one account");
    ensure!(secured.get(Some(&may)).await?.0 == 200);
    test.control_plane.stop().await;
    let (status, text) = secured.get(Some(&late)).await?;
    ensure!(status == 503, "{status}: {text}");
    ensure!(secured.get(None).await?.0 == 401);
    ensure!(secured.get(Some(&may)).await?.0 == 200, "decided before");
    ensure!(secured.plain("/readyz").await? == 200, "no probe minds");
    Ok(())
}

#[tokio::test]
async fn a_rotated_certificate_is_served_without_a_restart() -> Result<()> {
    let (test, secured) = Secured::start("secure-rotation", &[]).await?;
    let token = token(&test, "scraper").await?;
    ensure!(secured.get(Some(&token)).await?.0 == 200);
    write_certificate(&secured.files)?;
    eventually("the new certificate", SOON, async || {
        Ok((secured.get(Some(&token)).await?.0 == 200).then_some(()))
    })
    .await
}
