//! PromQL expressions: the selectors in them, and the ranges that they read.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use promql_parser::label::Matcher;
use promql_parser::parser::{self, Expr, VectorSelector};
use promql_parser::util::visitor::{ExprVisitorMut, walk_expr_mut};

pub fn parse(expression: &str) -> Result<Expr> {
    parser::parse(expression).map_err(|error| anyhow!("{error}: {expression}"))
}

/// A selector of series, with the call around it.
#[derive(Debug)]
pub struct Selector {
    pub name: String,
    pub matchers: Vec<Matcher>,
    pub range: Option<Duration>,
    /// The innermost function or aggregation that the selector is an argument of.
    pub call: Option<String>,
}

/// The selectors of an expression, from left to right.
pub fn selectors(expression: &str) -> Result<Vec<Selector>> {
    let mut selectors = Vec::new();
    collect(&parse(expression)?, None, &mut selectors)?;
    Ok(selectors)
}

fn collect(expression: &Expr, call: Option<&str>, found: &mut Vec<Selector>) -> Result<()> {
    match expression {
        Expr::VectorSelector(selector) => found.push(Selector::new(selector, None, call)?),
        Expr::MatrixSelector(matrix) => {
            found.push(Selector::new(&matrix.vs, Some(matrix.range), call)?);
        }
        Expr::Aggregate(aggregate) => {
            collect(&aggregate.expr, Some(&aggregate.op.to_string()), found)?;
        }
        Expr::Call(function) => {
            for argument in &function.args.args {
                collect(argument, Some(function.func.name), found)?;
            }
        }
        Expr::Binary(binary) => {
            collect(&binary.lhs, call, found)?;
            collect(&binary.rhs, call, found)?;
        }
        Expr::Paren(paren) => collect(&paren.expr, call, found)?,
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => {}
        other => anyhow::bail!("no rule or board has had such an expression: {other}"),
    }
    Ok(())
}

impl Selector {
    fn new(selector: &VectorSelector, range: Option<Duration>, call: Option<&str>) -> Result<Self> {
        let name = selector.name.clone();
        Ok(Self {
            name: name.with_context(|| format!("{selector} names no metric"))?,
            matchers: selector.matchers.matchers.clone(),
            range,
            call: call.map(str::to_owned),
        })
    }
}

/// The expression with another duration in place of each range.
pub fn with_ranges(expression: &str, range: impl Fn(Duration) -> Duration) -> Result<String> {
    let mut parsed = parse(expression)?;
    let Ok(_) = walk_expr_mut(&mut Ranges(range), &mut parsed);
    Ok(parsed.to_string())
}

struct Ranges<F>(F);

impl<F: Fn(Duration) -> Duration> ExprVisitorMut for Ranges<F> {
    type Error = Infallible;

    fn pre_visit(&mut self, node: &mut Expr) -> Result<bool, Infallible> {
        if let Expr::MatrixSelector(matrix) = node {
            matrix.range = (self.0)(matrix.range);
        }
        Ok(true)
    }
}

#[test]
fn selectors_are_found_with_the_call_around_them() -> Result<()> {
    let expression = r#"1 - sum by (job, le) (rate(a_total{job=~"$job", code!="2{0}0"}[5m])) > 2 and on (job) (b:c == 1)"#;
    let found = selectors(expression)?;
    let names: Vec<_> = found
        .iter()
        .map(|selector| selector.name.as_str())
        .collect();
    assert_eq!(names, ["a_total", "b:c"]);
    assert_eq!(found[0].call.as_deref(), Some("rate"));
    assert_eq!(found[0].range, Some(Duration::from_secs(300)));
    let matchers: Vec<_> = found[0].matchers.iter().map(ToString::to_string).collect();
    assert_eq!(matchers, [r#"job=~"$job""#, r#"code!="2{0}0""#]);
    assert!(found[1].call.is_none() && found[1].matchers.is_empty());
    Ok(())
}
