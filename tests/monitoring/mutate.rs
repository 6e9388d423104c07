//! A rule with a single mistake, for each mistake that a test should notice.

mod changes;

use std::convert::Infallible;

use anyhow::{Result, anyhow, ensure};
use promql_parser::parser::Expr;
use promql_parser::util::visitor::{ExprVisitorMut, walk_expr_mut};
use promql_parser::util::{display_duration, parse_duration};
use serde_json::{Value, json};

use self::changes::{Change, changes};
use crate::expression::parse;

/// The mistake, and the rule that has it.
pub struct Mutant {
    pub what: String,
    pub body: Value,
}

/// Every mutant of a rule.
pub fn mutants(rule: &Value) -> Result<Vec<Mutant>> {
    let expression = parse(rule["expr"].as_str().unwrap_or_default())?;
    ensure!(
        parse(&expression.to_string())? == expression,
        "{expression}"
    );
    let mut mutants = Vec::new();
    let mut add = |what: String, field: &str, value: String| {
        let mut body = rule.clone();
        body[field] = json!(value);
        mutants.push(Mutant { what, body });
    };
    for (what, changed) in expressions(&expression) {
        add(what, "expr", changed.to_string());
    }
    if let Some(duration) = rule["for"].as_str() {
        let duration = parse_duration(duration).map_err(|error| anyhow!(error))?;
        add("no for".into(), "for", "0s".into());
        let longer = display_duration(&(duration * 3));
        add("for thrice as long".into(), "for", longer);
    }
    Ok(mutants)
}

/// The expression with one of its nodes changed, for each node and each change of it.
fn expressions(expression: &Expr) -> Vec<Change> {
    let nth = |index| {
        let (mut changed, mut nth) = (expression.clone(), Nth { index, what: None });
        let Ok(_) = walk_expr_mut(&mut nth, &mut changed);
        nth.what.map(|what| (what, changed))
    };
    (0..).map_while(nth).collect()
}

/// Makes the change of this index, in the order of the visit.
struct Nth {
    index: usize,
    what: Option<String>,
}

impl ExprVisitorMut for Nth {
    type Error = Infallible;

    fn pre_visit(&mut self, node: &mut Expr) -> Result<bool, Infallible> {
        let mut changes = changes(node);
        if self.index >= changes.len() {
            self.index -= changes.len();
            return Ok(true);
        }
        let (what, changed) = changes.swap_remove(self.index);
        self.what = Some(format!("{what}, in {node}"));
        *node = changed;
        Ok(false)
    }
}

#[test]
fn one_node_is_changed_at_a_time() -> Result<()> {
    let rule = json!({"expr": "max by (a) (x and on (b) y{c=~\"d|e\"}) > 3 and z"});
    let changed = mutants(&rule)?;
    let changed: Vec<_> = changed.iter().map(|it| it.body["expr"].as_str()).collect();
    for expected in [
        "max by (a) (x) > 3 and z",
        "max by (a) (y{c=~\"d|e\"}) > 3 and z",
        "max by (a) (x and on (b) y) > 3 and z",
        "max by (a) (x and on (b) y{c=~\"e\"}) > 3 and z",
        "max by (a) (x and on (b) y{c=~\"d|e\"}) > 3",
        "z",
        "max by (a) (x and on (b) y{c=~\"d|e\"}) > 30 and z",
        "max(x and on (b) y{c=~\"d|e\"}) > 3 and z",
        "min by (a) (x and on (b) y{c=~\"d|e\"}) > 3 and z",
        "max by (a) (x and on (b) y{c=~\"d|e\"}) >= 3 and z",
    ] {
        assert!(
            changed.contains(&Some(expected)),
            "{expected}: {changed:#?}"
        );
    }
    Ok(())
}
