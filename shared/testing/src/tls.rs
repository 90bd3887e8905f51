//! A private certificate authority, as an operator has one inside a cluster.
//!
//! Each test makes a new one. A certificate in the repository would expire some day.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Signs the certificates of servers on 127.0.0.1.
#[derive(Debug)]
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl CertificateAuthority {
    /// Makes a new authority, with a new key.
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new([]).expect("no names are valid names");
        // The issuer's name must differ from the subject's name.
        params.distinguished_name.push(DnType::CommonName, "a private authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("the key can sign").pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// Writes its certificate and key as `ca.pem` and `ca.key`, and a new server certificate and key as `server.pem` and `server.key`.
    pub(crate) fn write_to(&self, files: &Path) {
        let key = KeyPair::generate().expect("a key can be made");
        let server = CertificateParams::new(["127.0.0.1".to_owned()])
            .and_then(|params| params.signed_by(&key, &self.issuer))
            .expect("the address is a valid name");
        for (name, pem) in [
            ("ca.pem", &self.certificate),
            ("ca.key", &self.issuer.key().serialize_pem()),
            ("server.pem", &server.pem()),
            ("server.key", &key.serialize_pem()),
        ] {
            fs::write(files.join(name), pem).expect("the directory can be written to");
        }
    }
}

impl Default for CertificateAuthority {
    fn default() -> Self {
        Self::new()
    }
}
