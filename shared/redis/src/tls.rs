//! Whose certificates are believed.

use std::{path::Path, sync::Arc};

use fred::types::config::{TlsConfig, TlsConnector};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Those that the system believes.
pub(crate) fn native() -> Result<TlsConfig, fred::error::Error> {
    Ok(TlsConnector::default_rustls()?.into())
}

/// Those that an authority in this PEM file vouches for.
pub(crate) fn trusting(authorities: &Path) -> Result<TlsConfig, String> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(authorities).map_err(|error| error.to_string())?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("has no certificate".to_owned());
    }
    let config = ClientConfig::builder().with_root_certificates(Arc::new(roots)).with_no_client_auth();
    Ok(TlsConnector::from(config).into())
}
