use k8s_openapi::api::coordination::v1::Lease;
pub(super) fn lease_of(_h: &str, _d: i32) -> Lease {
    Lease::default()
}
