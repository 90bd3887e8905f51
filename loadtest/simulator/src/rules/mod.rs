//! The rules of WeChat's API. No I/O; callers pass the time.
//!
//! | module | what it is for |
//! |---|---|
//! | `codes` | all codes that can be scanned |
//! | `qr`, `page_code` | the requests for codes |
//! | `tokens` | an account's access tokens |
//! | `js_codes` | the codes by which a mini program logs a user in |
//! | `quota` | limits per day and minute |
//! | `refusal` | error answers |

pub(crate) mod codes;
pub(crate) mod js_codes;
pub(crate) mod page_code;
pub(crate) mod qr;
pub(crate) mod quota;
pub(crate) mod refusal;
pub(crate) mod tokens;
