//! The changes of one node of an expression.

use promql_parser::label::{Labels, MatchOp, Matcher, Matchers};
use promql_parser::parser::token::{
    T_DIV, T_EQLC, T_GTE, T_GTR, T_LSS, T_MAX, T_MIN, T_MUL, T_NEQ, T_SUM, TokenId, TokenType,
};
use promql_parser::parser::{
    AggregateExpr, BinaryExpr, Expr, LabelModifier, MatrixSelector, VectorSelector,
};
use promql_parser::util::display_duration;

/// A description of the change, and the node after it.
pub type Change = (String, Expr);

pub fn changes(node: &Expr) -> Vec<Change> {
    match node {
        Expr::NumberLiteral(number) => numbers(number.val),
        Expr::Aggregate(aggregate) => aggregates(aggregate),
        Expr::Binary(binary) if binary.op.is_set_operator() => operands(binary),
        Expr::Binary(binary) => operators(binary),
        Expr::VectorSelector(selector) => selectors(selector, Expr::VectorSelector),
        Expr::MatrixSelector(matrix) => matrices(matrix),
        _ => Vec::new(),
    }
}

fn numbers(number: f64) -> Vec<Change> {
    let others = match number {
        0.0 => vec![1.0],
        _ => vec![number * 10.0, number / 10.0],
    };
    let change = |other: f64| (format!("{number} is {other}"), Expr::from(other));
    others.into_iter().map(change).collect()
}

/// `max` as `min`, and `by (job, cloud)` with one label less.
fn aggregates(aggregate: &AggregateExpr) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut AggregateExpr)| {
        let mut changed = aggregate.clone();
        change(&mut changed);
        changes.push((what, Expr::Aggregate(changed)));
    };
    let other = match aggregate.op.id() {
        T_MAX => Some(T_MIN),
        T_MIN | T_SUM => Some(T_MAX),
        _ => None,
    };
    if let Some(other) = other.map(TokenType::new) {
        add(format!("{} is {other}", aggregate.op), &|it| it.op = other);
    }
    if let Some(LabelModifier::Include(by)) = &aggregate.modifier {
        for left_out in 0..by.labels.len() {
            let (label, labels) = (&by.labels[left_out], without(&by.labels, left_out));
            add(format!("not by {label}"), &|it| {
                let labels = labels.clone();
                it.modifier = Some(LabelModifier::Include(Labels { labels }));
            });
        }
    }
    changes
}

/// `a and b` as `a`, and as `b`; `a or b` too.
fn operands(binary: &BinaryExpr) -> Vec<Change> {
    let (left, right) = (&binary.lhs, &binary.rhs);
    let change = |operand: &Expr, what: &str| (format!("{what} {}", binary.op), operand.clone());
    vec![
        change(left, "nothing behind"),
        change(right, "nothing before"),
    ]
}

fn operators(binary: &BinaryExpr) -> Vec<Change> {
    // Only a count can be equal to its limit.
    let counts = matches!(&*binary.rhs, Expr::NumberLiteral(limit) if limit.val.fract() == 0.0);
    let others: &[TokenId] = match binary.op.id() {
        T_GTR if counts => &[T_LSS, T_GTE],
        T_GTR => &[T_LSS],
        T_LSS => &[T_GTR],
        T_EQLC => &[T_NEQ],
        T_DIV => &[T_MUL],
        _ => &[],
    };
    let change = |other: &TokenId| {
        let mut changed = binary.clone();
        changed.op = TokenType::new(*other);
        let what = format!("{} is {}", binary.op, changed.op);
        (what, Expr::Binary(changed))
    };
    others.iter().map(change).collect()
}

fn matrices(matrix: &MatrixSelector) -> Vec<Change> {
    let mut changes = selectors(&matrix.vs, |vs| {
        let range = matrix.range;
        Expr::MatrixSelector(MatrixSelector { vs, range })
    });
    for range in [matrix.range / 4, matrix.range * 4] {
        let vs = matrix.vs.clone();
        let shown = [matrix.range, range].map(|range| display_duration(&range));
        let what = format!("[{}] is [{}]", shown[0], shown[1]);
        changes.push((what, Expr::MatrixSelector(MatrixSelector { vs, range })));
    }
    changes
}

/// Without one of the matchers, and with one of them changed.
fn selectors(selector: &VectorSelector, wrap: impl Fn(VectorSelector) -> Expr) -> Vec<Change> {
    let matchers = &selector.matchers.matchers;
    let mut changes = Vec::new();
    let mut add = |what: String, matchers: Vec<Matcher>| {
        let mut changed = selector.clone();
        changed.matchers = Matchers::new(matchers);
        changes.push((what, wrap(changed)));
    };
    for (index, matcher) in matchers.iter().enumerate() {
        let rest = without(matchers, index);
        add(format!("no {matcher}"), rest.clone());
        for value in patterns(matcher) {
            // An expression is written from the value, not from the compiled pattern.
            let changed = Matcher {
                value,
                ..matcher.clone()
            };
            let what = format!("{matcher} is {changed}");
            add(what, [rest.as_slice(), &[changed]].concat());
        }
    }
    changes
}

/// A regular expression without one of its alternatives, or without what it lets pass beside.
fn patterns(matcher: &Matcher) -> Vec<String> {
    const OPTIONAL: &str = r"(\.0)?";
    let value = &matcher.value;
    if !matches!(matcher.op, MatchOp::Re(_) | MatchOp::NotRe(_)) {
        return Vec::new();
    }
    if value.contains(OPTIONAL) {
        return vec![value.replace(OPTIONAL, ""), value.replace(OPTIONAL, r"\.0")];
    }
    let alternatives: Vec<_> = value.split('|').collect();
    match alternatives.len() {
        1 => Vec::new(),
        count => (0..count)
            .map(|left_out| without(&alternatives, left_out).join("|"))
            .collect(),
    }
}

fn without<T: Clone>(all: &[T], left_out: usize) -> Vec<T> {
    [&all[..left_out], &all[left_out + 1..]].concat()
}
