//! The people with phones.
//!
//! | module | what it is for |
//! |---|---|
//! | `wechat_user` | a person with WeChat on a phone |
//! | `known_users` | what one account knows of its users |
//! | `phone_action` | what a person can do with an Official Account, and why not |

mod known_users;
mod phone_action;
mod wechat_user;

pub(crate) use known_users::KnownUsers;
pub use phone_action::{ActionError, PhoneAction};
pub use wechat_user::WeChatUser;
