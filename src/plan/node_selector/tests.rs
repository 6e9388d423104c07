//! What a selector may be, and which labels it selects.

use std::collections::BTreeMap;

use super::*;

fn parse(text: &str) -> NodeSelector {
    NodeSelector::parse(text).unwrap_or_else(|| panic!("{text:?} is a selector"))
}

fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
    let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
    parse(selector).matches(|key| labels.get(key).copied())
}

#[test]
fn what_is_a_selector() {
    let prefix = "a".repeat(63);
    let long = format!("{prefix}.{prefix}.{prefix}/{prefix}={prefix}");
    let good = [
        "",
        "  ",
        "pool",
        "!pool",
        "! pool",
        "pool=edge",
        "pool==edge",
        "pool = edge",
        "pool!=edge",
        "pool=",
        "pool=,zone",
        "pool in (edge)",
        "pool in(edge,core)",
        "pool notin (edge, core)",
        "pool in (,)",
        "pool in (edge,)",
        "in in (in,notin)",
        "notin",
        "cores>4",
        "cores < 16",
        "topology.kubernetes.io/zone in (a,b),!node-role.kubernetes.io/control-plane",
        "node.kubernetes.io/instance-type=m5.large",
        &long,
    ];
    for text in good {
        assert!(NodeSelector::parse(text).is_some(), "{text:?}");
    }
    let too_long = format!("a in ({})", "b,".repeat(SELECTOR_LIMIT));
    let bad = [
        ",",
        "pool,",
        ",pool",
        "pool,,zone",
        "pool edge",
        "pool=edge core",
        "pool===edge",
        "=edge",
        "!",
        "!pool=edge",
        "!!pool",
        "pool in",
        "pool in edge",
        "pool in ()",
        "pool in (edge",
        "pool in (edge core)",
        "pool in (edge))",
        "pool notin ( )",
        "pool=(edge)",
        "cores>many",
        "cores>",
        "cores>=4",
        "cores>-4",
        "-pool",
        "pool=-edge",
        "pool=a/b",
        "a/b/c",
        "/pool",
        "Example.com/pool",
        "example..com/pool",
        "pööl",
        "pool=edgé",
        &format!("{}=a", "k".repeat(64)),
        &format!("a={}", "v".repeat(64)),
        &too_long,
    ];
    for text in bad {
        assert_eq!(NodeSelector::parse(text), None, "{text:?}");
    }
}

#[test]
fn which_labels_it_selects() {
    let edge = [("pool", "edge"), ("cores", "8"), ("none", "")];
    let cases: [(&str, bool, &str); 26] = [
        ("", true, "every Node"),
        ("pool", true, "exists"),
        ("zone", false, "does not exist"),
        ("!zone", true, "must not exist"),
        ("!pool", false, "must not exist and does"),
        ("pool=edge", true, "equal"),
        ("pool==edge", true, "equal"),
        ("pool=core", false, "another value"),
        ("pool=Edge", false, "case counts"),
        ("zone=edge", false, "no such label"),
        ("pool!=core", true, "another value"),
        ("pool!=edge", false, "equal"),
        ("zone!=a", true, "a missing label has no value"),
        ("pool in (core,edge)", true, "one of them"),
        ("pool in (core)", false, "none of them"),
        ("pool notin (core)", true, "none of them"),
        ("zone notin (a)", true, "a missing label has no value"),
        ("pool notin (core,edge)", false, "one of them"),
        ("none=", true, "an empty value"),
        ("pool in (,core)", false, "the empty value is not edge"),
        ("zone=", false, "no label is not an empty one"),
        ("cores>4", true, "a number"),
        ("cores>8", false, "not greater"),
        ("cores<8", false, "not smaller"),
        ("pool>4", false, "no number"),
        ("pool=edge,cores<4", false, "all of them"),
    ];
    for (selector, expected, why) in cases {
        assert_eq!(selects(selector, &edge), expected, "{selector}: {why}");
    }
}

#[test]
fn equal_requirements_give_equal_selectors_in_one_spelling() {
    let same = [
        ("pool=edge", "pool == edge"),
        ("pool=edge", "pool in (edge)"),
        ("a,b", "b , a,a"),
        ("a in (x,y)", "a in (y, x,x)"),
        ("a!=x", "a notin (x)"),
    ];
    for (one, other) in same {
        assert_eq!(parse(one), parse(other), "{one} and {other}");
    }
    for text in [
        "",
        "a",
        "!a",
        "a=x",
        "a!=x",
        "a in (x,y)",
        "a notin (,x)",
        "a<3",
        "a>3",
        "!b,a=",
    ] {
        let shown = parse(text).to_string();
        assert_eq!(parse(&shown), parse(text), "{text} is shown as {shown}");
    }
    assert_eq!(parse("b==x , a").to_string(), "a,b=x");
}
