//! The identity of a candidate, which it writes into the Lease as the holder.

use std::hash::{BuildHasher, RandomState};

/// An identity is also the field manager of the patches of the Lease, which
/// kube-apiserver limits to 128 bytes.
const MAX_LENGTH: usize = 128;

/// Returns the pod name, `_` and a random part. It differs for each process, so that
/// a restarted container does not mistake the term of its predecessor for its own.
pub fn identity(pod_name: &str) -> String {
    // Not fastrand, whose seed is the time: the keys of a RandomState come from the
    // operating system, so that two machines never share an identity.
    let random = format!("_{:016x}", RandomState::new().hash_one(std::process::id()));
    let readable: String = pod_name
        .chars()
        .filter(|character| character.is_ascii_graphic())
        .take(MAX_LENGTH - random.len())
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

    /// A restarted container may be process 1 again, under the same name.
    #[test]
    fn no_start_has_the_identity_of_the_one_before() {
        let start = || {
            let program = std::env::current_exe().expect("this program");
            let arguments = ["--exact", PRINTS_ITS_IDENTITY, "--ignored", "--nocapture"];
            let output = Command::new(program).args(arguments).output();
            let text = String::from_utf8(output.expect("a start").stdout).expect("text");
            let identity = text
                .split_whitespace()
                .find(|word| word.contains("replica-1_"));
            identity.expect("an identity").to_owned()
        };
        assert_ne!(start(), start());
    }

    const PRINTS_ITS_IDENTITY: &str = "election::identity::tests::prints_its_identity";

    #[test]
    #[ignore = "the test above starts it"]
    fn prints_its_identity() {
        println!("\n{}", identity("replica-1"));
    }

    #[test]
    fn fits_a_field_manager() {
        let long = identity(&"p".repeat(253));
        assert_eq!(long.len(), MAX_LENGTH);
        assert!(!identity("two\nlines").contains('\n'));
    }
}
