//! The rules of WeChat's API; no I/O, the time is given.
//!
//! | module | what it is for |
//! |---|---|
//! | `tokens` | an account's access tokens |
//! | `qr`, `page_code` | what codes may be asked for |
//! | `codes` | those that there are |
//! | `js_codes` | what a mini program logs in with |
//! | `quota` | how often something may be done |
//! | `refusal` | error answers |

pub(crate) mod codes;
pub(crate) mod js_codes;
pub(crate) mod page_code;
pub(crate) mod qr;
pub(crate) mod quota;
pub(crate) mod refusal;
pub(crate) mod tokens;
