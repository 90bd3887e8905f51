//! The accounts at work, and the API keys of the sites. One configuration has one [`Accounts`]; a changed configuration
//! replaces it as a whole.
//!
//! | module | what it is for |
//! |---|---|
//! | `registry` | the accounts as they are now |
//! | `account` | one Official Account, one mini program |
//! | `api_keys` | which site calls, and for which accounts |
//! | `fallback` | why an account's pages get no QR codes now |
//! | `previous_secrets` | how often the previous value of a secret is still used |
//!
//! See docs/decisions/029-a-request-keeps-its-accounts.md.

mod account;
mod api_keys;
mod fallback;
mod previous_secrets;
mod registry;

pub(crate) use account::{Account, AccountServices, MiniProgram};
pub(crate) use api_keys::ApiCaller;
pub(crate) use fallback::FallbackReason;
pub(crate) use previous_secrets::PreviousSecretUses;
pub(crate) use registry::{AccountRegistry, Accounts};
