//! The API for the site's backend, with an API key. What we tell the site without being asked is in `webhooks`.
//!
//! | module | what it is for |
//! |---|---|
//! | `redeem` | `POST /v1/redeem`: who logged in with a grant |
//! | `users` | `/v1/accounts/{account}/users/{openid}`: what is stored about a person, and whether the site has them |

mod redeem;
mod users;

pub(crate) use redeem::{RedeemState, router as redeem_router};
pub(crate) use users::{UsersState, router as users_router};
