//! WeChat's error answers: HTTP 200 with `errcode` and `errmsg`.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// An answer with an `errcode` other than 0; see "Global return codes".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ApiRefusal(pub(crate) i64);

impl ApiRefusal {
    /// The secret is wrong, or WeChat doesn't know the token (any more).
    pub(crate) const CREDENTIAL: Self = Self(40001);
    pub(crate) const GRANT_TYPE: Self = Self(40002);
    pub(crate) const OPENID: Self = Self(40003);
    pub(crate) const APP_ID: Self = Self(40013);
    pub(crate) const JS_CODE: Self = Self(40029);
    pub(crate) const ACTION_NAME: Self = Self(40052);
    pub(crate) const ACTION_INFO: Self = Self(40053);
    pub(crate) const ARGUMENT: Self = Self(40097);
    /// The secret doesn't even have the form of one.
    pub(crate) const SECRET: Self = Self(40125);
    pub(crate) const SCENE: Self = Self(40129);
    pub(crate) const JS_CODE_USED: Self = Self(40163);
    pub(crate) const SCENE_LENGTH: Self = Self(40169);
    pub(crate) const NO_TOKEN: Self = Self(41001);
    pub(crate) const NO_APP_ID: Self = Self(41002);
    pub(crate) const NO_SECRET: Self = Self(41004);
    pub(crate) const NO_JS_CODE: Self = Self(41008);
    pub(crate) const PAGE: Self = Self(41030);
    pub(crate) const TOKEN_EXPIRED: Self = Self(42001);
    pub(crate) const NOT_GET: Self = Self(43001);
    pub(crate) const NOT_POST: Self = Self(43002);
    pub(crate) const DAY_QUOTA: Self = Self(45009);
    pub(crate) const MINUTE_QUOTA: Self = Self(45011);
    pub(crate) const DATA_FORMAT: Self = Self(47001);
    pub(crate) const UNAUTHORIZED: Self = Self(48001);

    fn message(self) -> &'static str {
        match self.0 {
            -1 => "system error",
            40001 => "invalid credential, access_token is invalid or not latest",
            40002 => "invalid grant_type",
            40003 => "invalid openid",
            40013 => "invalid appid",
            40014 => "invalid access_token",
            40029 => "invalid code,",
            40033 => "invalid charset. please check your request, if include \\uxxxx will create fail!",
            40052 => "invalid action name",
            40053 => "invalid action info, please check document",
            40097 => "invalid args",
            40125 => "invalid appsecret",
            40129 => "invalid scene",
            40159 => "invalid length for path, or the data is not json string",
            40163 => "code been used,",
            // The simulator doesn't look at the caller's address.
            40164 => "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist",
            40169 => "invalid length for scene, or the data is not json string",
            40226 => "code blocked,",
            40243 => "appsecret is frozen",
            41001 => "access_token missing",
            41002 => "appid missing",
            41004 => "appsecret missing",
            41008 => "missing code,",
            41030 => "invalid page",
            42001 => "access_token expired",
            43001 => "require GET method",
            43002 => "require POST method",
            43004 => "require subscribe",
            45009 => "reach max api daily quota limit",
            45011 => "api minute-quota reach limit, must slower, retry next minute",
            45015 => "response out of time limit or subscription is canceled",
            45035 => "access clientip is not registered, not in ip-white-list",
            45029 => "qrcode count out of limit",
            45047 => "out of response count limit",
            46004 => "user not exist",
            47001 => "data format error",
            48001 => "api unauthorized",
            48004 => "api forbidden for irregularities, view detail on mp.weixin.qq.com",
            50001 => "user unauthorized",
            50002 => "user limited",
            50007 => "account is frozen",
            61004 => "access clientip is not registered",
            61007 => "api is unauthorized to component",
            89501 => "this ip is waiting for the administrator's confirmation",
            89503 => "this ip needs the administrator's confirmation",
            89506 => "this ip was refused twice by the administrator, retry after 24 hours",
            89507 => "this ip was refused by the administrator, retry after 1 hour",
            _ => "refused",
        }
    }
}

impl IntoResponse for ApiRefusal {
    fn into_response(self) -> Response {
        // WeChat appends a request id. A program that compares the whole text fails because of it.
        let rid = format!("{:08x}-{:08x}-{:08x}", rand::random::<u32>(), rand::random::<u32>(), rand::random::<u32>());
        let body = json!({ "errcode": self.0, "errmsg": format!("{} rid: {rid}", self.message()) });
        let mut response = Json(body).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
