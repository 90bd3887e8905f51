//! Simulated accounts.
//!
//! | module | what it is for |
//! |---|---|
//! | `settings` | how an account is set up at WeChat |
//! | `hosted` | an account at runtime: its tokens, quotas, users, callbacks and keys |

mod hosted;
mod settings;

pub(crate) use hosted::HostedAccount;
pub(crate) use settings::Capability;
pub use settings::{AccountKind, AccountQuota, EncryptionMode, Rights, SimulatedAccount};
