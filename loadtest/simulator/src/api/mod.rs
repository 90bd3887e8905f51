//! `api.weixin.qq.com` and `mp.weixin.qq.com`, as far as scan-to-login calls them.
//!
//! | module | what it is for |
//! |---|---|
//! | `middleware` | what happens around every call: faults and the log |
//! | `caller` | authenticates callers by credentials or access token |
//! | `access` | access tokens, and the addresses from which deliveries come |
//! | `official_account` | an Official Account's QR codes and users |
//! | `mini_program` | a mini program's codes and logins |
//! | `code_images` | draws codes, and reads them as a phone's camera does |

mod access;
mod caller;
mod code_images;
mod middleware;
mod mini_program;
mod official_account;

use axum::{
    Json, Router,
    middleware::{from_fn_with_state, map_response},
    routing::{get, post},
};
use serde_json::Value;

pub use code_images::{read_code, read_drawn};

use crate::{rules::refusal::ApiRefusal, simulator::Simulator};

type ApiResult = Result<Json<Value>, ApiRefusal>;

pub(crate) fn router(simulator: &Simulator) -> Router<Simulator> {
    let not_get = || async { ApiRefusal::NOT_GET };
    let not_post = || async { ApiRefusal::NOT_POST };
    let faults_and_log = from_fn_with_state(simulator.clone(), middleware::faults_and_log);
    let session = Router::new()
        .route("/sns/jscode2session", get(mini_program::session).fallback(not_get))
        .route_layer(faults_and_log.clone())
        .route_layer(map_response(mini_program::as_plain_text));
    Router::new()
        .route("/cgi-bin/token", get(access::token).fallback(not_get))
        .route("/cgi-bin/stable_token", post(access::stable_token).fallback(not_post))
        .route("/cgi-bin/getcallbackip", get(access::callback_ips).fallback(not_get))
        .route("/cgi-bin/qrcode/create", post(official_account::create_qr).fallback(not_post))
        .route("/cgi-bin/user/info", get(official_account::user_info).fallback(not_get))
        .route("/wxa/getwxacodeunlimit", post(mini_program::page_code).fallback(not_post))
        .route("/cgi-bin/showqrcode", get(official_account::show_qr))
        .route("/mmopen/{name}", get(official_account::avatar))
        .route_layer(faults_and_log)
        .merge(session)
}
