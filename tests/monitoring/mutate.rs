//! A rule with one thing wrong, in every way that is worth a test.

use anyhow::Result;
use serde_json::{Value, json};

use crate::expression::{Kind, Token, tokens};

/// What was done, and the rule after it.
pub struct Mutant {
    pub what: String,
    pub body: Value,
}

/// Every mutant of a rule.
pub fn mutants(rule: &Value) -> Result<Vec<Mutant>> {
    let expression = rule["expr"].as_str().unwrap_or_default();
    let mut mutants = Vec::new();
    for (what, changed) in expressions(expression)? {
        let mut body = rule.clone();
        body["expr"] = json!(changed);
        mutants.push(Mutant { what, body });
    }
    if let Some(duration) = rule["for"].as_str() {
        for (what, changed) in [
            ("no for", json!("0s")),
            ("for thrice as long", tripled(duration)),
        ] {
            let mut body = rule.clone();
            body["for"] = changed;
            let what = what.to_owned();
            mutants.push(Mutant { what, body });
        }
    }
    Ok(mutants)
}

fn tripled(duration: &str) -> Value {
    scaled(duration, 3.0).map_or(Value::Null, |longer| json!(longer))
}

/// `10m`, four times: `40m`.
fn scaled(duration: &str, factor: f64) -> Option<String> {
    Some(format!("{:.0}s", seconds(duration)? * factor))
}

/// Of a duration with one unit.
pub fn seconds(duration: &str) -> Option<f64> {
    let unit = match duration.chars().last()? {
        's' => 1.0,
        'm' => 60.0,
        'h' => 3600.0,
        'd' => 86400.0,
        _ => return None,
    };
    let number: f64 = duration[..duration.len() - 1].parse().ok()?;
    Some(number * unit)
}

fn expressions(expression: &str) -> Result<Vec<(String, String)>> {
    let tokens = tokens(expression)?;
    let mut changed = Vec::new();
    let mut replace = |token: &Token, new: &str| {
        let before = &expression[..token.start];
        let after = &expression[token.end..];
        let what = format!("{} at {} is {new}", token.text, token.start);
        changed.push((what, format!("{before}{new}{after}")));
    };
    for (index, token) in tokens.iter().enumerate() {
        for new in instead(token, &tokens[..index], &tokens[index + 1..]) {
            replace(token, &new);
        }
    }
    changed.extend(without_labels(expression, &tokens));
    changed.extend(without_matchers(expression, &tokens));
    changed.extend(without_operands(expression, &tokens));
    Ok(changed)
}

/// What could stand in the place of a token by mistake.
fn instead(token: &Token, before: &[Token], after: &[Token]) -> Vec<String> {
    let text = token.text.as_str();
    match token.kind {
        Kind::Sign => match text {
            ">" if counts(after) => vec!["<".into(), ">=".into()],
            ">" => vec!["<".into()],
            "<" => vec![">".into()],
            "==" => vec!["!=".into()],
            "/" => vec!["*".into()],
            _ => Vec::new(),
        },
        Kind::Number => numbers(text),
        Kind::Range => [0.25, 4.0]
            .iter()
            .filter_map(|factor| scaled(text.trim_matches(['[', ']']), *factor))
            .map(|range| format!("[{range}]"))
            .collect(),
        Kind::Word => match text {
            "max" => vec!["min".into()],
            "min" | "sum" => vec!["max".into()],
            _ => Vec::new(),
        },
        Kind::Text => alternatives(text, before),
    }
}

/// Whether what follows is a number that can be met exactly: whole, and no factor.
fn counts(after: &[Token]) -> bool {
    let whole = after
        .first()
        .is_some_and(|token| token.text.parse::<u32>().is_ok());
    whole && after.get(1).is_none_or(|token| token.text != "*")
}

fn numbers(text: &str) -> Vec<String> {
    match text.parse::<f64>() {
        Ok(0.0) => vec!["1".into()],
        Ok(number) => vec![(number * 10.0).to_string(), (number / 10.0).to_string()],
        Err(_) => Vec::new(),
    }
}

/// A regular expression without one of its alternatives.
fn alternatives(text: &str, before: &[Token]) -> Vec<String> {
    let is_pattern = before
        .last()
        .is_some_and(|sign| ["=~", "!~"].contains(&sign.text.as_str()));
    let parts: Vec<_> = text.trim_matches('"').split('|').collect();
    if !is_pattern || parts.len() < 2 {
        return match text.contains("(\\\\.0)?") {
            true => vec![
                text.replace("(\\\\.0)?", ""),
                text.replace("(\\\\.0)?", "\\\\.0"),
            ],
            false => Vec::new(),
        };
    }
    let without = |left_out: usize| {
        let mut rest = parts.clone();
        rest.remove(left_out);
        format!("\"{}\"", rest.join("|"))
    };
    (0..parts.len()).map(without).collect()
}

/// `by (job, cloud)` with one label less.
fn without_labels(expression: &str, tokens: &[Token]) -> Vec<(String, String)> {
    let mut changed = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.text != "by" {
            continue;
        }
        let labels = tokens[index + 2..]
            .iter()
            .take_while(|token| token.text != ")");
        let labels: Vec<_> = labels.filter(|token| token.text != ",").collect();
        let (Some(first), Some(last)) = (labels.first(), labels.last()) else {
            continue;
        };
        for left_out in &labels {
            let rest = labels.iter().filter(|label| label.start != left_out.start);
            let rest: Vec<_> = rest.map(|label| label.text.as_str()).collect();
            let (before, after) = (&expression[..first.start], &expression[last.end..]);
            let what = format!("not by {} at {}", left_out.text, left_out.start);
            changed.push((what, format!("{before}{}{after}", rest.join(", "))));
        }
    }
    changed
}

/// `{a="1",b="2"}` with one matcher less.
fn without_matchers(expression: &str, tokens: &[Token]) -> Vec<(String, String)> {
    let mut changed = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let is_matcher = ["=", "=~", "!=", "!~"].contains(&token.text.as_str());
        let (Some(label), Some(value)) = (index.checked_sub(1), tokens.get(index + 1)) else {
            continue;
        };
        if !is_matcher || value.kind != Kind::Text {
            continue;
        }
        let label = &tokens[label];
        // No metric has this label: it lets everything pass.
        let (before, after) = (&expression[..label.start], &expression[value.end..]);
        let what = format!("no {} at {}", label.text, label.start);
        changed.push((what, format!("{before}nothing=\"\"{after}")));
    }
    changed
}

/// `a and b` as `a`, and as `b`.
fn without_operands(expression: &str, tokens: &[Token]) -> Vec<(String, String)> {
    let mut changed = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.text != "and" {
            continue;
        }
        let left = edge(tokens[..index].iter().rev(), ")", "(").map_or(0, |token| token.end);
        let right = edge(tokens[index + 1..].iter(), "(", ")");
        let right = right.map_or(expression.len(), |token| token.start);
        let mut behind = index + 1;
        if tokens.get(behind).is_some_and(|next| next.text == "on") {
            behind += 1;
            while tokens.get(behind).is_some_and(|next| next.text != ")") {
                behind += 1;
            }
            behind += 1;
        }
        let second = tokens
            .get(behind)
            .map_or(expression.len(), |token| token.start);
        let at = token.start;
        let keep_left = format!("{}{}", &expression[..at], &expression[right..]);
        changed.push((format!("nothing behind and at {at}"), keep_left));
        let keep_right = format!("{} {}", &expression[..left], &expression[second..]);
        changed.push((format!("nothing before and at {at}"), keep_right));
    }
    changed
}

/// The token at which an operand ends: the parenthesis around it, or the next `and`.
fn edge<'a>(
    tokens: impl Iterator<Item = &'a Token>,
    opens: &str,
    closes: &str,
) -> Option<&'a Token> {
    let mut depth = 0;
    for token in tokens {
        match token.text.as_str() {
            text if text == opens => depth += 1,
            text if text == closes && depth == 0 => return Some(token),
            text if text == closes => depth -= 1,
            "and" if depth == 0 => return Some(token),
            _ => {}
        }
    }
    None
}

#[test]
fn operands_end_where_they_do() -> Result<()> {
    let changed = expressions("max by (a) (x and on (b) y) > 3 and z")?;
    let changed: Vec<_> = changed.iter().map(|(_, text)| text.as_str()).collect();
    for expected in [
        "max by (a) (x ) > 3 and z",
        "max by (a) ( y) > 3 and z",
        "max by (a) (x and on (b) y) > 3 ",
        " z",
        "max by (a) (x and on (b) y) > 30 and z",
        "max by () (x and on (b) y) > 3 and z",
    ] {
        assert!(changed.contains(&expected), "{expected}: {changed:#?}");
    }
    Ok(())
}
