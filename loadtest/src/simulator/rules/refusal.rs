//! WeChat's error answers: HTTP 200 with `errcode` and `errmsg`.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// An `errcode` other than 0; see "Global return codes".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) i64);

impl Refusal {
    /// The secret is wrong; or the token is one that WeChat doesn't know any more, or never did.
    pub(crate) const CREDENTIAL: Self = Self(40001);
    pub(crate) const GRANT_TYPE: Self = Self(40002);
    pub(crate) const OPENID: Self = Self(40003);
    pub(crate) const APP_ID: Self = Self(40013);
    pub(crate) const ACTION_NAME: Self = Self(40052);
    pub(crate) const ACTION_INFO: Self = Self(40053);
    /// Not even of a secret's form.
    pub(crate) const SECRET: Self = Self(40125);
    pub(crate) const NO_TOKEN: Self = Self(41001);
    pub(crate) const NO_APP_ID: Self = Self(41002);
    pub(crate) const NO_SECRET: Self = Self(41004);
    pub(crate) const TOKEN_EXPIRED: Self = Self(42001);
    pub(crate) const NOT_GET: Self = Self(43001);
    pub(crate) const NOT_POST: Self = Self(43002);
    pub(crate) const DAY_QUOTA: Self = Self(45009);
    pub(crate) const MINUTE_QUOTA: Self = Self(45011);
    pub(crate) const DATA_FORMAT: Self = Self(47001);

    fn message(self) -> &'static str {
        match self.0 {
            -1 => "system error",
            40001 => "invalid credential, access_token is invalid or not latest",
            40002 => "invalid grant_type",
            40003 => "invalid openid",
            40013 => "invalid appid",
            40052 => "invalid action name",
            40053 => "invalid action info, please check document",
            40125 => "invalid appsecret",
            41001 => "access_token missing",
            41002 => "appid missing",
            41004 => "appsecret missing",
            42001 => "access_token expired",
            43001 => "require GET method",
            43002 => "require POST method",
            45009 => "reach max api daily quota limit",
            45011 => "api minute-quota reach limit, must slower, retry next minute",
            47001 => "data format error",
            48001 => "api unauthorized",
            _ => "refused",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // WeChat's support asks for this; programs that compare the whole text fail on it.
        let rid = format!("{:08x}-{:08x}-{:08x}", rand::random::<u32>(), rand::random::<u32>(), rand::random::<u32>());
        let body = json!({ "errcode": self.0, "errmsg": format!("{} rid: {rid}", self.message()) });
        let mut response = Json(body).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
