use super::*;
use crate::cloud::Profile;
use crate::election::Timing;
use crate::plan::annotation::{INTERNAL, LB_BANDWIDTH, LB_SPEC, PROVIDER};
use crate::plan::class::LoadBalancerClass;
use std::fs;

/// A file that exists as long as the test.
struct TestFile(PathBuf);

impl TestFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{}-{name}.yaml", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn load(&self) -> Result<Config, ConfigErrors> {
        check_config(&self.0)
    }

    /// The errors without the path of the file: `LINE: field: found …`.
    fn errors(&self) -> Vec<String> {
        let file = format!("{}:", self.0.display());
        let errors = self.load().expect_err("the file has errors");
        errors
            .iter()
            .map(|error| error.to_string().replace(&file, ""))
            .collect()
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn flag_errors(args: Args) -> Vec<String> {
    match Config::load(&args) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn without_a_file_everything_has_its_default() {
    let config = Config::load(&Args::default()).unwrap();
    assert_eq!(config.cluster_id, None);
    assert_eq!(config.annotation_prefix, "mycloud.com");
    assert_eq!(config.node_address_type, NodeAddressType::Internal);
    assert!(!config.allow_loopback_nodes);
    assert_eq!(config.no_nodes_grace_period, Duration::from_secs(300));
    assert!(!config.empty_without_addresses);
    assert_eq!(config.orphans, OrphanPolicy::Delete);
    assert_eq!(config.orphan_grace_period, Duration::from_secs(600));
    assert_eq!(config.sweep_interval, Duration::from_secs(300));
    assert_eq!(config.drift_interval, Duration::from_secs(600));
    let election = config.election.unwrap();
    assert_eq!(election.namespace, "kube-system");
    assert_eq!(election.lease, "my-cloud-controller-manager");
    assert_eq!(election.timing, Timing::default());
    assert_eq!(config.admin_address.to_string(), "0.0.0.0:8080");
    let clouds: Vec<_> = config
        .clouds
        .iter()
        .map(|cloud| (cloud.name.as_str(), cloud.endpoint.as_str()))
        .collect();
    assert_eq!(
        clouds,
        [
            ("cloud1", "http://cloud1-api:8080/"),
            ("cloud2", "http://cloud2-api:8080/")
        ]
    );
    assert!(config.clouds.iter().all(|cloud| {
        (
            cloud.request_timeout,
            cloud.concurrency,
            cloud.requests_per_second,
        ) == (Duration::from_secs(30), 16, 0)
    }));
}

#[test]
fn an_empty_file_and_the_documented_file_mean_the_defaults() {
    let documented = "\
clusterId: \"\"
annotationPrefix: mycloud.com
nodeAddressType: internal
allowLoopbackNodes: false
noNodesGracePeriod: 5m
emptyWithoutAddresses: false
orphans: delete
orphanGracePeriod: 10m
sweepInterval: 5m
driftInterval: 10m
clouds:
  - name: cloud1
    endpoint: http://cloud1-api:8080
    requestTimeout: 30s
    concurrency: 16
    requestsPerSecond: 0
    profile: standard
    tokenFile: \"\"
    caFile: \"\"
  - name: cloud2
";
    let defaults = Config::load(&Args::default()).unwrap();
    for (name, text) in [("empty", "# nothing\n"), ("documented", documented)] {
        assert_eq!(
            TestFile::new(name, text).load().unwrap(),
            defaults,
            "{name}"
        );
    }
}

/// Configurations that were written before the profile was called `basic`.
#[test]
fn the_former_name_of_a_profile_is_accepted_and_not_offered() {
    let with = |profile: &str| format!("clouds:\n- {{name: east, profile: {profile}}}\n");
    let config = TestFile::new("former", &with("seed")).load().unwrap();
    assert_eq!(config.clouds[0].profile, Profile::Basic);
    let errors = TestFile::new("unknown", &with("seeds")).errors();
    assert!(
        errors[0].ends_with("it must be standard or basic"),
        "{errors:?}"
    );
}

#[test]
fn every_field_is_read() {
    let token = TestFile::new("token", "secret");
    let path = token.0.display();
    let text = format!(
        "clusterId: 0017\nannotationPrefix: lb.example.org\nnodeAddressType: external\n\
         allowLoopbackNodes: true\nnoNodesGracePeriod: 2m\nemptyWithoutAddresses: true\n\
         orphans: report\norphanGracePeriod: 1h\nsweepInterval: 90s\ndriftInterval: 1m30s\n\
         serviceCidrs: [10.96.0.0/12]\nwatchTimeout: 7s\ndefaultTags: stage=test\n\
         clusterServiceHealthCheck: kubeProxy\n\
         clouds:\n- {{name: east, endpoint: 'https://lb.east:8443', requestTimeout: 1.5s, concurrency: 4,\n   \
         requestsPerSecond: 25, profile: basic, addressRanges: [192.0.2.0/24],\n   \
         tokenFile: {path}, caFile: {path}}}\n\
         loadBalancerClasses:\n- {{name: example.com/gold, cloud: east, spec: gold, bandwidth: 50M,\n   \
         internal: true, mayOverride: [spec]}}\n\
         existingLoadBalancers:\n- {{cloud: east, id: lb-7, namespaces: [shop]}}\n"
    );
    for name in field_names() {
        let name = name.split('.').next_back().unwrap_or_default();
        assert!(text.contains(&format!("{name}:")), "{name} is missing here");
    }
    let config = TestFile::new("full", &text).load().unwrap();
    assert_eq!(config.cluster_id, Some(ClusterId::new("0017")));
    assert_eq!(config.annotation_prefix, "lb.example.org");
    assert_eq!(config.node_address_type, NodeAddressType::External);
    let settings = config.node_settings();
    assert!(settings.rule.allow_loopback && settings.hold.empty_without_addresses);
    assert_eq!(
        settings.hold.no_nodes_grace_period,
        Duration::from_secs(120)
    );
    assert_eq!(config.orphans, OrphanPolicy::Report);
    assert_eq!(config.orphan_grace_period, Duration::from_secs(3600));
    assert_eq!(config.sweep_interval, config.drift_interval);
    assert_eq!(config.watch_timeout, Duration::from_secs(7));
    let offered: Vec<&str> = config.offers.keys().map(|name| &**name).collect();
    assert_eq!(offered, ["shop"]);
    let defaults = config.metadata_keys();
    let defaults = defaults.defaults();
    assert_eq!(Some(&defaults.tags), Tags::parse("stage=test").as_ref());
    assert_eq!(defaults.cluster_check, ClusterCheck::KubeProxy);
    let mut gold = LoadBalancerClass::default();
    for (about, value) in [
        (&PROVIDER.about, "east"),
        (&LB_SPEC.about, "gold"),
        (&LB_BANDWIDTH.about, "50M"),
        (&INTERNAL.about, "true"),
    ] {
        gold.set(about, value);
    }
    gold.leave_to_services(&LB_SPEC.about);
    assert_eq!(
        config.classes,
        Classes::from([("example.com/gold".into(), gold)])
    );
    let [cloud] = config.clouds.as_slice() else {
        panic!("one cloud, not {:?}", config.clouds);
    };
    assert_eq!(cloud.endpoint.as_str(), "https://lb.east:8443/");
    assert_eq!(cloud.request_timeout, Duration::from_millis(1500));
    assert_eq!((cloud.concurrency, cloud.requests_per_second), (4, 25));
    assert_eq!(cloud.profile, Profile::Basic);
    let range = |text: &str| vec![text.parse().expect("a range")];
    assert_eq!(cloud.addresses.ranges, range("192.0.2.0/24"));
    assert_eq!(cloud.addresses.service_ranges, range("10.96.0.0/12"));
    assert_eq!(cloud.token_file.as_deref(), Some(token.0.as_path()));
    assert_eq!(cloud.ca_file, cloud.token_file);
}

#[test]
fn every_error_of_a_file_is_reported_in_its_order() {
    let text = "\
sweepIntervall: 5m
orphans: keep
driftInterval: 0s
orphans: delete
clouds:
  - name: Cloud_1
    endpoint: ftp://x
    concurrency: 0
    profile: [basic]
  - endpoint: http://b
  - name: c
    tokenFile: /nowhere/token
  - name: c
    endpoint: http://d
  - just-a-name
";
    let expected = [
        "1: sweepIntervall: found an unknown field: the fields here are clusterId, annotationPrefix, nodeAddressType, allowLoopbackNodes, noNodesGracePeriod, emptyWithoutAddresses, orphans, orphanGracePeriod, sweepInterval, driftInterval, serviceCidrs, watchTimeout, clouds, loadBalancerClasses, defaultTags, clusterServiceHealthCheck, existingLoadBalancers",
        "2: orphans: found \"keep\": it must be delete or report",
        "3: driftInterval: found \"0s\": it must be a duration such as 15s, 1m30s or 250ms, from 100ms to 168h",
        "4: orphans: found a repeated field: a field may appear only once",
        "6: clouds[0].name: found \"Cloud_1\": it must be a DNS label: 1 to 63 characters of a-z, 0-9 and -, with a letter or digit first and last",
        "7: clouds[0].endpoint: found \"ftp://x\": it must be an http or https URL without path, query or user",
        "8: clouds[0].concurrency: found \"0\": it must be a whole number from 1 to 1000",
        "9: clouds[0].profile: found a list: it must be one value",
        "10: clouds[1].name: found nothing: every cloud needs a name",
        "12: clouds[2].tokenFile: found \"/nowhere/token\": it must be a file that can be read (No such file or directory (os error 2))",
        "13: clouds[3].name: found \"c\": it must differ from clouds[2].name",
        "15: clouds[4]: found \"just-a-name\": it must be a mapping of fields",
    ];
    assert_eq!(TestFile::new("errors", text).errors(), expected);
}

#[test]
fn two_clouds_never_share_one_account() {
    let text = "clouds: [{name: a, endpoint: 'http://x'}, {name: b, endpoint: 'http://x:80/'}]";
    assert_eq!(
        TestFile::new("account", text).errors(),
        [
            "1: clouds[1].endpoint: found \"http://x/\": it must differ from clouds[0].endpoint, unless each has a token of its own"
        ]
    );
}

#[test]
fn a_token_in_two_files_is_one_account() {
    let [one, same, other] = [
        ("one", "secret"),
        ("same", "secret\n"),
        ("other", "another"),
    ]
    .map(|(name, token)| TestFile::new(&format!("account-token-{name}"), token));
    let errors = |second: &TestFile| {
        let [first, second] = [&one, second].map(|file| file.0.display());
        let text = format!(
            "clouds: [{{name: a, endpoint: 'https://x', tokenFile: {first}}}, \
             {{name: b, endpoint: 'https://x', tokenFile: {second}}}]"
        );
        TestFile::new("account-tokens", &text).load().err()
    };
    assert!(errors(&same).is_some());
    assert!(errors(&other).is_none());
}

#[test]
fn the_mistakes_of_a_class_are_named() {
    let text = "loadBalancerClasses:
- {name: example.com/gold, cloud: cloud1, spec: gold, bandwidth: 50M, mayOverride: [spec]}
- {name: service.k8s.io/gold, cloud: cloud9}
- {name: example.com/gold, bandwidth: fast, mayOverride: [colour]}
- {spec: very large}
- {name: example.com/inside, internal: yes}
";
    let errors = TestFile::new("classes", text).errors();
    let expected = [
        "3: loadBalancerClasses[1].name: found \"service.k8s.io/gold\": it must be a domain of your own",
        "3: loadBalancerClasses[1].cloud: found \"cloud9\": it must be one or more of cloud1, cloud2",
        "4: loadBalancerClasses[2].bandwidth: found \"fast\": it must be a positive whole number",
        "4: loadBalancerClasses[2].mayOverride[0]: found \"colour\": it must be cloud or spec or bandwidth or internal",
        "4: loadBalancerClasses[2].name: found \"example.com/gold\": another class has this name",
        "5: loadBalancerClasses[3].name: found nothing: every class needs a name",
        "5: loadBalancerClasses[3].spec: found \"very large\": it must be 1 to 63 letters",
        "6: loadBalancerClasses[4].internal: found \"yes\": it must be 'true' or 'false'",
    ];
    for part in expected {
        assert!(
            errors.iter().any(|error| error.starts_with(part)),
            "{part}: {errors:#?}"
        );
    }
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
}

#[test]
fn the_mistakes_of_an_existing_load_balancer_are_named() {
    let text = "existingLoadBalancers:
- {cloud: cloud1, id: lb-9, namespaces: [shop, web]}
- {cloud: cloud9, id: \"lb 8\", namespaces: [Shop]}
- {cloud: cloud1, id: lb-9, namespaces: [shop]}
- {cloud: cloud1, id: lb-7}
";
    let errors = TestFile::new("existing", text).errors();
    let expected = [
        "3: existingLoadBalancers[1].cloud: found \"cloud9\": it must be one of cloud1, cloud2",
        "3: existingLoadBalancers[1].id: found \"lb 8\": it must have 1 to 253 visible ASCII",
        "3: existingLoadBalancers[1].namespaces[0]: found \"Shop\": it must be a DNS label",
        "4: existingLoadBalancers[2].id: found \"lb-9\": another entry has this load balancer",
        "5: existingLoadBalancers[3].id: found nothing: every existing load balancer needs a cloud",
    ];
    for part in expected {
        assert!(
            errors.iter().any(|error| error.starts_with(part)),
            "{part}: {errors:#?}"
        );
    }
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    let many = "x,".repeat(257);
    let many = format!("existingLoadBalancers: [{{cloud: cloud1, id: a, namespaces: [{many}]}}]");
    let errors = TestFile::new("many-namespaces", &many).errors();
    assert!(
        errors[0].contains("257 entries: at most 256"),
        "{errors:#?}"
    );
    let config = TestFile::new(
        "offers",
        "existingLoadBalancers: [{cloud: cloud2, id: lb-9, namespaces: [shop]}]",
    );
    let keys = config.load().expect("valid").metadata_keys();
    assert_eq!(keys.offers("shop").len(), 1);
    assert!(keys.offers("web").is_empty());
}

#[test]
fn a_file_of_another_shape_is_one_error() {
    let cases = [
        (
            "list",
            "- a\n",
            "1: found a list: it must be a mapping",
            "a list at the top",
        ),
        (
            "none",
            "clouds: []\n",
            "1: clouds: found an empty list",
            "no cloud at all",
        ),
        (
            "text",
            "clouds: cloud1\n",
            "1: clouds: found \"cloud1\": it must be a list",
            "no list",
        ),
        (
            "broken",
            "a: [1\n",
            "found invalid YAML: it must be one YAML document",
            "invalid YAML",
        ),
    ];
    for (name, text, expected, reason) in cases {
        let errors = TestFile::new(name, text).errors();
        assert_eq!(errors.len(), 1, "{reason}: {errors:?}");
        assert!(errors[0].contains(expected), "{reason}: {errors:?}");
        assert!(!errors[0].contains('\n'), "{reason}: {errors:?}");
    }
}

#[test]
fn flags_are_checked_all_at_once() {
    let text = |value: &str| Some(value.to_owned());
    let errors = flag_errors(Args {
        config: Some("/nowhere/config.yaml".into()),
        controllers: text("service,node"),
        verbosity: text("11"),
        leader_elect: text("maybe"),
        leader_elect_retry_period: text("-5s"),
        log_format: text("xml"),
        ..Args::default()
    });
    let expected = [
        "--controllers: found \"service,node\": it must be service or *: the service controller is the only one here",
        "--leader-elect: found \"maybe\": it must be true or false",
        "--leader-elect-retry-period: found \"-5s\": it must be a duration such as 15s, 1m30s or 250ms, from 10ms to 1h",
        "--log-format: found \"xml\": it must be text or json",
        "--v: found \"11\": it must be a whole number from 0 to 10",
        "--config: found \"/nowhere/config.yaml\": it must be a YAML file that can be read (No such file or directory (os error 2))",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn the_lease_has_the_name_and_namespace_of_the_flags() {
    let words = [
        "my-cloud-controller-manager",
        "--leader-elect-resource-name=ours",
        "--leader-elect-resource-namespace=load-balancers",
    ];
    let args = <Args as clap::Parser>::try_parse_from(words).unwrap();
    let election = Config::load(&args).unwrap().election.unwrap();
    assert_eq!(election.lease, "ours");
    assert_eq!(election.namespace, "load-balancers");
}

#[test]
fn without_election_one_replica_leads_alone() {
    let args = Args {
        leader_elect: Some("false".into()),
        ..Args::default()
    };
    assert_eq!(Config::load(&args).unwrap().election, None);
}

#[test]
fn a_valid_but_probably_unintended_setting_is_a_warning() {
    let token = TestFile::new("plain-token", "secret");
    let text = format!("clouds: [{{name: a, tokenFile: {}}}]", token.0.display());
    let config = TestFile::new("plain", &text).load().unwrap();
    assert_eq!(
        config.notes,
        ["the token of cloud a is sent unencrypted to http://a-api:8080/: use https"]
    );
    let args = Args {
        cloud_provider: Some("aws".into()),
        ..Args::default()
    };
    assert_eq!(Config::load(&args).unwrap().notes.len(), 1);
}

#[test]
fn secure_metrics_need_all_of_their_flags_and_switch_the_plain_ones_off() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let args = |address: Option<&str>, certificate: Option<&str>, key: Option<&str>| Args {
        metrics_secure_address: address.map(str::to_owned),
        metrics_tls_cert_file: certificate.map(str::to_owned),
        metrics_tls_key_file: key.map(str::to_owned),
        ..Args::default()
    };
    let plain = Config::load(&Args::default()).unwrap().metrics;
    assert_eq!((plain.plain, plain.secure), (true, None));

    let all = args(Some("0.0.0.0:8443"), Some(file), Some(file));
    let metrics = Config::load(&all).unwrap().metrics;
    assert!(!metrics.plain);
    assert_eq!(metrics.secure.unwrap().address.port(), 8443);
    let both = Args {
        metrics_plain: Some("true".into()),
        ..all
    };
    assert!(Config::load(&both).unwrap().metrics.plain);

    assert_eq!(
        flag_errors(args(Some("0.0.0.0:8443"), None, None)),
        [
            "--metrics-tls-cert-file: found nothing: it must be set together with --metrics-secure-address",
            "--metrics-tls-key-file: found nothing: it must be set together with --metrics-secure-address",
        ]
    );
    assert_eq!(
        flag_errors(args(None, Some(file), Some("/nowhere"))),
        [
            "--metrics-secure-address: found nothing: it must be set together with --metrics-tls-cert-file and --metrics-tls-key-file",
            "--metrics-tls-key-file: found \"/nowhere\": it must be a file that can be read (No such file or directory (os error 2))",
        ]
    );
}

#[test]
fn an_error_is_one_short_line_whatever_the_names_in_the_file() {
    let long = format!("{}: 1\n", "x".repeat(5_000));
    for text in ["\"a\\nb\": 1\n", "\"a\\u2028b\": 1\n", &long, "? [\n\r"] {
        let file = TestFile::new("one-line", text);
        for error in file.errors() {
            assert!(error.len() < 600, "{error}");
            let breaks = |letter: char| letter.is_control() || letter == '\u{2028}';
            assert!(!error.contains(breaks), "{error:?}");
        }
    }
}
