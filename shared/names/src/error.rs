//! Why a name has no address.

use std::{io, sync::Arc};

/// No address of a host is known. Another try may find one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NameError {
    /// The system has no address for it: the name is wrong, or the name server doesn't answer.
    #[error("name resolution of {host} failed: {source}")]
    Failed {
        host: String,
        #[source]
        source: Arc<io::Error>,
    },
    /// The name server is slow. The look-up goes on.
    #[error("name resolution of {host} takes too long")]
    TooSlow { host: String },
}

impl NameError {
    pub(crate) fn failed(host: &str, error: io::Error) -> Self {
        Self::Failed { host: host.to_owned(), source: Arc::new(error) }
    }

    pub(crate) fn none(host: &str) -> Self {
        Self::failed(host, io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    }
}
