//! What users do with their phones.
//!
//! | module | what it is for |
//! |---|---|
//! | `official_account` | scan an Official Account's code, write to it, tap a link, unfollow |
//! | `mini_program` | scan a mini program's code, and log in to it |

mod mini_program;
mod official_account;

pub use mini_program::MiniProgramLaunch;
pub use official_account::HeldDelivery;
