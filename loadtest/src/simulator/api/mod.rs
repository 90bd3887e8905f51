//! `api.weixin.qq.com` and `mp.weixin.qq.com`, as far as scan-to-login calls them.
//!
//! | module | what it is for |
//! |---|---|
//! | `front` | what happens to every call: faults, counts |
//! | `caller` | who is calling: credentials and access tokens |
//! | `access` | access tokens |
//! | `official` | an Official Account's QR codes and users |

mod access;
mod caller;
mod front;
mod official;

use axum::{
    Json, Router,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use serde_json::Value;

use super::{Simulator, rules::refusal::Refusal};

type Reply = Result<Json<Value>, Refusal>;

pub(crate) fn router(simulator: &Simulator) -> Router<Simulator> {
    let not_get = || async { Refusal::NOT_GET };
    let not_post = || async { Refusal::NOT_POST };
    Router::new()
        .route("/cgi-bin/token", get(access::token).fallback(not_get))
        .route("/cgi-bin/stable_token", post(access::stable_token).fallback(not_post))
        .route("/cgi-bin/qrcode/create", post(official::create_qr).fallback(not_post))
        .route("/cgi-bin/user/info", get(official::user_info).fallback(not_get))
        .route("/cgi-bin/showqrcode", get(official::show_qr))
        .route("/mmopen/{name}", get(official::avatar))
        .route_layer(from_fn_with_state(simulator.clone(), front::pass))
}
