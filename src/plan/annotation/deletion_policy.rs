//! The value of the annotation `deletion-policy`.

/// What becomes of the load balancers when their Service is deleted or no longer managed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    #[default]
    Delete,
    /// They stay, without our owner.
    Retain,
}

impl DeletionPolicy {
    /// `None` for a value that is neither: what is deleted does not come back.
    pub(super) fn parse(value: &str) -> Option<Self> {
        match value.trim() {
            "delete" => Some(Self::Delete),
            "retain" => Some(Self::Retain),
            _ => None,
        }
    }
}
