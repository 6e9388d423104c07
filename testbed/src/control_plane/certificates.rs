//! The certificates and keys of one control plane, made anew for each.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// File names, all in the directory of the control plane.
pub(crate) const AUTHORITY: &str = "authority.crt";
pub(crate) const SERVING: Pair = Pair {
    certificate: "serving.crt",
    key: "serving.key",
};
pub(super) const ADMIN: Pair = Pair {
    certificate: "admin.crt",
    key: "admin.key",
};
pub(super) const SERVICE_ACCOUNT_KEY: &str = "service-account.key";
pub(super) const SERVICE_ACCOUNT_PUBLIC_KEY: &str = "service-account.pub";

/// A certificate and its key.
pub(crate) struct Pair {
    pub(crate) certificate: &'static str,
    pub(crate) key: &'static str,
}

/// Writes all of them.
pub(super) fn write(directory: &Path) -> Result<()> {
    let authority = write_serving(directory, "kube-apiserver")?;

    // The group system:masters may do everything, before RBAC is asked.
    let mut admin = CertificateParams::default();
    admin.distinguished_name.push(DnType::CommonName, "admin");
    admin
        .distinguished_name
        .push(DnType::OrganizationName, "system:masters");
    admin.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    write_pair(directory, &ADMIN, admin, &authority)?;

    let service_account = KeyPair::generate()?;
    fs::write(
        directory.join(SERVICE_ACCOUNT_KEY),
        service_account.serialize_pem(),
    )?;
    fs::write(
        directory.join(SERVICE_ACCOUNT_PUBLIC_KEY),
        service_account.public_key_pem(),
    )?;
    Ok(())
}

/// Writes an authority, and what a server on 127.0.0.1 needs.
pub(crate) fn write_serving(
    directory: &Path,
    name: &str,
) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let authority = authority()?;
    fs::write(directory.join(AUTHORITY), authority.pem())?;
    let mut serving = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    serving.distinguished_name.push(DnType::CommonName, name);
    serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    write_pair(directory, &SERVING, serving, &authority)?;
    Ok(authority)
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "testbed authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn write_pair(
    directory: &Path,
    pair: &Pair,
    params: CertificateParams,
    authority: &CertifiedIssuer<'static, KeyPair>,
) -> Result<()> {
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    fs::write(directory.join(pair.certificate), certificate.pem())?;
    fs::write(directory.join(pair.key), key.serialize_pem())?;
    Ok(())
}
