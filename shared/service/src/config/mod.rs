//! Configuration: a TOML file, environment variables that override it, and errors that name the value that is wrong.
//!
//! | module | what it is for |
//! |---|---|
//! | `load` | the file and the environment, and what is refused or warned of |
//! | `placeholder` | values that nobody has put in yet |
//! | `secret` | secrets: none is weak, and none serves two purposes |
//! | `listeners` | addresses to listen on: none twice |
//! | `origins` | the web origins whose pages may open scenes |
//! | `types` | types of other values |

mod listeners;
pub(crate) mod load;
mod origins;
mod placeholder;
mod secret;
pub(crate) mod types;

pub use listeners::check_listeners;
pub use load::{ConfigError, ConfigFile, ConfigWarning, Validate, load, load_with_file};
pub use origins::Origins;
pub use secret::{SecretUses, strong_secret};
pub use types::{
    DrainConfig, HttpUrl, LogFilter, Ratio, Seconds, TelemetryConfig, defaults, is_exposed, keep_alive_warning,
};
