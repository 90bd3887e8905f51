//! Configuration: a TOML file, environment variables that override it, and errors that name the value that is wrong.
//!
//! | module | what it is for |
//! |---|---|
//! | `validate` | what has to be there, and what is checked |
//! | `load` | the file and the environment, and what is refused |
//! | `environment` | which variable sets which setting |
//! | `read` | from settings to the types of a configuration |
//! | `read_error` | what is said of a setting that can't be read, without its value |
//! | `rest` | checks of sections that can be used while others can't |
//! | `error` | what is refused or warned of |
//! | `place` | where a setting is |
//! | `texts` | texts that can't be meant |
//! | `placeholder` | values that nobody has put in yet |
//! | `secret` | secrets: none is weak, and none serves two purposes |
//! | `listeners` | addresses to listen on: none twice |
//! | `origins` | the web origins whose pages may open scenes |
//! | `types` | types of other values |

mod environment;
pub(crate) mod error;
mod listeners;
pub(crate) mod load;
mod origins;
mod place;
mod placeholder;
mod read;
mod read_error;
mod rest;
mod secret;
mod texts;
pub(crate) mod types;
pub(crate) mod validate;

pub use environment::environment_warnings;
pub use error::{ConfigError, ConfigWarning};
pub use listeners::check_listeners;
pub use load::{ConfigFile, load, load_with_file};
pub use origins::Origins;
pub use secret::{SecretUses, strong_secret};
pub use types::{
    DrainConfig, HttpUrl, LogFilter, Ratio, Seconds, TelemetryConfig, all_addresses, defaults, is_exposed,
    keep_alive_warning, listen_address,
};
pub use validate::{Required, Validate};
