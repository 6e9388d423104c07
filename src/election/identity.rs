//! The identity of a candidate: the holder that it writes into the Lease.

/// An identity is also the field manager of the Lease's patches, which
/// kube-apiserver limits to 128 bytes.
const LONGEST: usize = 128;

/// Pod name, `_` and a random part: differs for each process, so that a
/// restarted container does not take its predecessor's term for its own.
pub fn identity(pod_name: &str) -> String {
    let random = format!("_{:016x}", fastrand::u64(..));
    let readable: String = pod_name
        .chars()
        .filter(|character| character.is_ascii_graphic())
        .take(LONGEST - random.len())
        .collect();
    readable + &random
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn starts_with_the_pod_and_never_repeats() {
        let (first, second) = (identity("replica-1"), identity("replica-1"));
        assert!(first.starts_with("replica-1_"), "{first}");
        assert_ne!(first, second);
    }

    /// A container that starts again may be process 1 again, under the same name.
    #[test]
    fn no_start_has_the_identity_of_the_one_before() {
        let start = || {
            let program = std::env::current_exe().expect("this program");
            let arguments = ["--exact", SAYS_ITS_IDENTITY, "--ignored", "--nocapture"];
            let output = Command::new(program).args(arguments).output();
            let said = String::from_utf8(output.expect("a start").stdout).expect("text");
            let identity = said
                .split_whitespace()
                .find(|word| word.contains("replica-1_"));
            identity.expect("an identity").to_owned()
        };
        assert_ne!(start(), start());
    }

    const SAYS_ITS_IDENTITY: &str = "election::identity::tests::says_its_identity";

    #[test]
    #[ignore = "what the test above starts"]
    fn says_its_identity() {
        println!("\n{}", identity("replica-1"));
    }

    #[test]
    fn fits_a_field_manager() {
        let long = identity(&"p".repeat(253));
        assert_eq!(long.len(), LONGEST);
        assert!(!identity("two\nlines").contains('\n'));
    }
}
