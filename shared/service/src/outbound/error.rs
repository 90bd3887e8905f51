//! Why a request of ours had no answer.

use std::{error::Error, fmt, sync::Arc};

use scenecast_names::NameError;

/// A request of ours that had no answer. Its text has the texts of all causes, without the address, which may hold a
/// secret.
#[derive(Debug, Clone)]
pub struct TransportError(TransportCause);

#[derive(Debug, Clone)]
enum TransportCause {
    Name(NameError),
    Http(Arc<reqwest::Error>),
}

impl TransportError {
    /// Whether a time limit of the client was over, so that the server may have carried out the request.
    pub fn is_timeout(&self) -> bool {
        matches!(&self.0, TransportCause::Http(error) if error.is_timeout())
    }
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        Self(TransportCause::Http(Arc::new(error.without_url())))
    }
}

impl From<NameError> for TransportError {
    fn from(error: NameError) -> Self {
        Self(TransportCause::Name(error))
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            TransportCause::Name(error) => write!(f, "{error}"),
            TransportCause::Http(error) => {
                write!(f, "{error}")?;
                let mut cause = error.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
        }
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            TransportCause::Name(error) => Some(error),
            TransportCause::Http(error) => Some(error.as_ref()),
        }
    }
}

/// Two are the same if they say the same.
impl PartialEq for TransportError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for TransportError {}
