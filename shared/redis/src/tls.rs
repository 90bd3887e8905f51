//! Which certificate authorities are trusted.

use std::{path::Path, sync::Arc};

use fred::types::config::{TlsConfig, TlsConnector};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Trusts the authorities that the system trusts.
pub(crate) fn native() -> Result<TlsConfig, fred::error::Error> {
    Ok(TlsConnector::default_rustls()?.into())
}

/// Trusts the authorities in this PEM file, and no others.
pub(crate) fn trusting(authorities: &Path) -> Result<TlsConfig, String> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(authorities).map_err(|error| error.to_string())?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("the file has no certificate".to_owned());
    }
    let config = ClientConfig::builder().with_root_certificates(Arc::new(roots)).with_no_client_auth();
    Ok(TlsConnector::from(config).into())
}
