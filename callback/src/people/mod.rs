//! Who people are, and how pages and sites see them.
//!
//! | module | what it is for |
//! |---|---|
//! | `lookup` | who a person is: from our record, or else from what WeChat tells |
//! | `profile` | name and picture, generated where WeChat tells none |
//! | `user_document` | the JSON document about a person, for the site |

mod lookup;
mod profile;
mod user_document;

pub(crate) use lookup::{People, ToldByWechat};
pub(crate) use profile::profile;
pub(crate) use user_document::{UserDocument, rfc3339};
