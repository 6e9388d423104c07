//! A value that says yes or no.

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    On,
    Off,
}

impl Switch {
    /// Exactly `true` is a yes. A no is one of Go's `strconv.ParseBool`, or one of the words
    /// no and off, in capitals or not, with or without space around it. `None` for any other
    /// value: it must not delete a load balancer.
    pub(super) fn parse(value: &str) -> Option<Self> {
        match value.trim().to_ascii_lowercase().as_str() {
            _ if value == "true" => Some(Self::On),
            "false" | "f" | "0" | "no" | "off" => Some(Self::Off),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_yes_or_no_or_neither() {
        let cases = [
            (Some(Switch::On), &["true"][..]),
            (
                Some(Switch::Off),
                &["false", "False", " FALSE", "f", "0", "no", "off"],
            ),
            (
                None,
                &[
                    "", "True", "TRUE", "true ", " true", "true\n", "t", "1", "yes", "on",
                    "enabled", "\"true\"",
                ],
            ),
        ];
        for (expected, values) in cases {
            for value in values {
                assert_eq!(Switch::parse(value), expected, "{value:?}");
            }
        }
    }
}
