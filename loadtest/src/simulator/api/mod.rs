//! `api.weixin.qq.com` and `mp.weixin.qq.com`, as far as scan-to-login calls them.
//!
//! | module | what it is for |
//! |---|---|
//! | `front` | what happens to every call: faults, counts |
//! | `caller` | who is calling: credentials and access tokens |
//! | `access` | access tokens, and where webhooks come from |
//! | `official` | an Official Account's QR codes and users |
//! | `mini_program` | a mini program's codes and logins |

mod access;
mod caller;
mod front;
mod mini_program;
mod official;

use axum::{
    Json, Router,
    middleware::{from_fn_with_state, map_response},
    routing::{get, post},
};
use serde_json::Value;

use super::{Simulator, rules::refusal::Refusal};

type Reply = Result<Json<Value>, Refusal>;

pub(crate) fn router(simulator: &Simulator) -> Router<Simulator> {
    let not_get = || async { Refusal::NOT_GET };
    let not_post = || async { Refusal::NOT_POST };
    let faults = from_fn_with_state(simulator.clone(), front::pass);
    let session = Router::new()
        .route("/sns/jscode2session", get(mini_program::session).fallback(not_get))
        .route_layer(faults.clone())
        .route_layer(map_response(mini_program::as_plain_text));
    Router::new()
        .route("/cgi-bin/token", get(access::token).fallback(not_get))
        .route("/cgi-bin/stable_token", post(access::stable_token).fallback(not_post))
        .route("/cgi-bin/getcallbackip", get(access::callback_ips).fallback(not_get))
        .route("/cgi-bin/qrcode/create", post(official::create_qr).fallback(not_post))
        .route("/cgi-bin/user/info", get(official::user_info).fallback(not_get))
        .route("/wxa/getwxacodeunlimit", post(mini_program::page_code).fallback(not_post))
        .route("/cgi-bin/showqrcode", get(official::show_qr))
        .route("/mmopen/{name}", get(official::avatar))
        .route_layer(faults)
        .merge(session)
}
