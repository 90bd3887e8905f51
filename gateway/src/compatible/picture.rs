//! What an `<img>` shows of a scene: the account's QR code, or what the account does instead.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use scenecast_shared::{internal::Opened, serve::Problem};

use crate::pages::draw;

const SVG: &str = "image/svg+xml";

/// A picture of what a phone finds a scene by.
#[derive(Debug)]
pub(super) struct Picture {
    content_type: String,
    bytes: Vec<u8>,
}

impl Picture {
    /// Of a scene that was opened.
    pub(super) fn of(opened: &Opened) -> Result<Self, Problem> {
        let svg = |svg: String| Self { content_type: SVG.to_owned(), bytes: svg.into_bytes() };
        match opened {
            Opened::Qr { url, .. } => draw(url).map(svg),
            Opened::MiniProgram { image } => Self::read(image).ok_or_else(|| {
                tracing::error!("WeChat's mini-program code is no picture");
                Problem::new(StatusCode::BAD_GATEWAY, "wechat_refused", "the mini-program code is no picture")
            }),
            Opened::Typed { code } => Ok(svg(digits(code))),
        }
    }

    fn read(data_url: &str) -> Option<Self> {
        let (content_type, bytes) = data_url.strip_prefix("data:")?.split_once(";base64,")?;
        let bytes = STANDARD.decode(bytes).ok()?;
        content_type.starts_with("image/").then(|| Self { content_type: content_type.to_owned(), bytes })
    }

    /// As a `data:` address.
    pub(super) fn data_url(&self) -> String {
        format!("data:{};base64,{}", self.content_type, STANDARD.encode(&self.bytes))
    }
}

/// The digits to type, for a page that has no place for them but its picture.
fn digits(code: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 200 200\" text-anchor=\"middle\" \
         font-family=\"sans-serif\"><path fill=\"#fff\" d=\"M0 0h200v200H0z\"/>\
         <text x=\"100\" y=\"60\" font-size=\"16\">请将此码发送给公众号</text>\
         <text x=\"100\" y=\"112\" font-size=\"36\">{code}</text>\
         <text x=\"100\" y=\"152\" font-size=\"12\">Send this code to the account</text></svg>"
    )
}

impl IntoResponse for Picture {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.content_type.as_str()),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // A picture is opened by itself, too; it needs nothing, and runs nothing.
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        ];
        (headers, self.bytes).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_account_can_show_is_a_picture() {
        let image = "data:image/png;base64,iVBORw0KGgo=";
        for (opened, begins) in [
            (
                Opened::Qr { url: "http://weixin.qq.com/q/x".into(), ticket: "t".into(), picture: "p".into() },
                "data:image/svg+xml;base64,",
            ),
            (Opened::MiniProgram { image: image.to_owned() }, image),
            (Opened::Typed { code: "123456".to_owned() }, "data:image/svg+xml;base64,"),
        ] {
            let url = Picture::of(&opened).unwrap().data_url();
            assert!(url.starts_with(begins), "{url}");
        }
    }

    #[test]
    fn what_is_no_picture_is_not_shown() {
        for image in ["", "https://example.com/x.png", "data:text/html;base64,PGI+", "data:image/png;base64,%%%"] {
            assert!(Picture::of(&Opened::MiniProgram { image: image.to_owned() }).is_err(), "{image}");
        }
    }
}
