//! What an operator is told about a request that was refused: what is probably wrong with the settings. It is for our
//! log only, since it says something about other accounts.

use axum::http::Uri;
use scenecast_scene::time::unix_now;
use scenecast_wechat::SignatureError;

use super::{envelope::DeliveryQuery, state::InboundState};
use crate::accounts::Accounts;

/// The longest part of a stranger's path that is logged.
const MAX_PATH_BYTES: usize = 128;

/// Whether somebody thinks that this is an address for WeChat. Otherwise it is one of the requests that reach every
/// public address.
pub(super) fn is_meant_for_wechat(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    let is_signed = ["signature=", "echostr="].iter().any(|parameter| query.contains(parameter));
    is_signed || uri.path().to_ascii_lowercase().starts_with("/wechat")
}

/// The part of a path that is logged.
pub(super) fn told(path: &str) -> &str {
    // A path of HTTP is ASCII.
    path.get(..MAX_PATH_BYTES).unwrap_or(path)
}

/// What to do about a request that was refused with this code, or what is probably wrong.
pub(super) fn hint(state: &InboundState, uri: &Uri, code: &str) -> Option<String> {
    guess(state, uri).or_else(|| advice(code).map(ToOwned::to_owned))
}

/// What to do about a refusal with this code, if there is more to say than its detail does.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "signature_invalid" => "if it was WeChat, compare the token with WeChat's console",
        "signature_reused" => {
            "the token is right, so either somebody has seen a request of WeChat and sends another message with its query, \
             or a proxy before the callbacks changes bodies; set mode = \"safe\", here and at WeChat, and change the token"
        }
        "mode_mismatch" => "if it was WeChat, compare the mode (消息加解密方式) with WeChat's console",
        "undecryptable" => "if it was WeChat, compare the AES key (EncodingAESKey) with WeChat's console",
        "wrong_account" => {
            "if it was WeChat, compare original_id and app_id with WeChat's console, and the address there"
        }
        _ => return None,
    })
}

/// What is probably wrong with the address or the query; `None` if nothing is known.
fn guess(state: &InboundState, uri: &Uri) -> Option<String> {
    let accounts = state.accounts.current();
    let Some(account) = accounts.at_path(uri.path()) else { return meant_path(&accounts, uri.path()) };
    let Ok(query) = DeliveryQuery::read(uri) else {
        let is_empty = uri.query().is_none_or(str::is_empty);
        return is_empty.then(|| "the request has no query; does a proxy before the callbacks cut it off?".to_owned());
    };
    let Some(signed) = query.bare_signature() else { return Some(unsigned_hint(&query).to_owned()) };
    let is_signed_for = |tokens| signed.verify(tokens, unix_now().as_secs()).err() != Some(SignatureError::Mismatch);
    if is_signed_for(&account.settings.token) {
        return None;
    }
    let other = accounts.all_official().find(|other| is_signed_for(&other.settings.token))?;
    Some(format!("it is signed with the token of account {}, so this may be the wrong address", other.name))
}

/// What is wrong with a query without `signature`.
fn unsigned_hint(query: &DeliveryQuery) -> &'static str {
    if query.msg_signature.is_some() {
        "it is signed as WeCom (企业微信) signs, which is another service"
    } else {
        "its query has no signature, so it isn't WeChat's, or a proxy before the callbacks takes parameters out of the query"
    }
}

/// The path of an account that differs from this one by what people overlook.
fn meant_path(accounts: &Accounts, path: &str) -> Option<String> {
    let plain = |path: &str| {
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        parts.join("/").to_ascii_lowercase()
    };
    let asked = plain(path);
    let paths = accounts.all_official().flat_map(|account| {
        let own = account.settings.path.as_ref().map(|path| path.as_str().to_owned());
        [Some(format!("/wechat/{}", account.name)), own].into_iter().flatten()
    });
    let meant = paths.into_iter().find(|path| plain(path) == asked)?;
    Some(format!("did you mean {meant}? Capitals and slashes count"))
}
