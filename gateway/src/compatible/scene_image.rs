//! The image of a scene's code, for an `<img>`: a QR code, a mini-program code, or the digits to type.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use scenecast_scene::{Claims, internal::OpenedHandle};

use crate::{refusal::PageRefusal, scenes::draw_qr};

const SVG: &str = "image/svg+xml";

/// An image for an `<img>`.
#[derive(Debug)]
pub(super) struct SceneImage {
    content_type: String,
    bytes: Vec<u8>,
}

impl SceneImage {
    /// The image of the code by which a phone finds the scene of these claims.
    pub(super) fn of_code(claims: &Claims, code: &OpenedHandle) -> Result<Self, PageRefusal> {
        let svg = |svg: String| Self { content_type: SVG.to_owned(), bytes: svg.into_bytes() };
        match code {
            OpenedHandle::Qr { url, .. } => draw_qr(claims, url).map(svg),
            OpenedHandle::MiniProgram { image } => Self::from_data_url(image).ok_or_else(|| {
                tracing::error!(
                    account = %claims.account, scene = %claims.scene,
                    "the mini-program code that WeChat gave is not an image; the page is refused; please report this as \
                     a bug"
                );
                PageRefusal::WechatRefused("the mini-program code is not an image")
            }),
            OpenedHandle::Typed { code: digits } => Ok(svg(digits_svg(digits))),
        }
    }

    fn from_data_url(data_url: &str) -> Option<Self> {
        let (content_type, bytes) = data_url.strip_prefix("data:")?.split_once(";base64,")?;
        let bytes = STANDARD.decode(bytes).ok()?;
        content_type.starts_with("image/").then(|| Self { content_type: content_type.to_owned(), bytes })
    }

    /// The image as a `data:` URL.
    pub(super) fn data_url(&self) -> String {
        format!("data:{};base64,{}", self.content_type, STANDARD.encode(&self.bytes))
    }
}

/// An image of the digits to type, for a page that can only show an image.
fn digits_svg(digits: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 200 200\" text-anchor=\"middle\" \
         font-family=\"sans-serif\"><path fill=\"#fff\" d=\"M0 0h200v200H0z\"/>\
         <text x=\"100\" y=\"60\" font-size=\"16\">请将此码发送给公众号</text>\
         <text x=\"100\" y=\"112\" font-size=\"36\">{digits}</text>\
         <text x=\"100\" y=\"152\" font-size=\"12\">Send this code to the account</text></svg>"
    )
}

impl IntoResponse for SceneImage {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.content_type.as_str()),
            // Some networks shrink pictures on the way until no phone can read the code.
            (header::CACHE_CONTROL, "no-store, no-transform"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // For an SVG that somebody opens in a tab of its own: it loads nothing and runs no script.
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        ];
        (headers, self.bytes).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use scenecast_scene::{KeyRing, Rotating};

    use super::*;

    fn claims() -> Claims {
        let ring = KeyRing::new(Rotating::fixed("secret"));
        ring.issue(&"demo".parse().unwrap(), None, Duration::from_secs(60), SystemTime::now()).1
    }

    #[test]
    fn every_kind_of_code_has_an_image() {
        let image = "data:image/png;base64,iVBORw0KGgo=";
        for (code, prefix) in [
            (
                OpenedHandle::Qr { url: "http://weixin.qq.com/q/x".into(), ticket: "t".into(), picture: "p".into() },
                "data:image/svg+xml;base64,",
            ),
            (OpenedHandle::MiniProgram { image: image.to_owned() }, image),
            (OpenedHandle::Typed { code: "123456".to_owned() }, "data:image/svg+xml;base64,"),
        ] {
            let url = SceneImage::of_code(&claims(), &code).unwrap().data_url();
            assert!(url.starts_with(prefix), "{url}");
            let answer = SceneImage::of_code(&claims(), &code).unwrap().into_response();
            assert_eq!(answer.headers()["cache-control"], "no-store, no-transform", "no network shrinks it");
        }
    }

    #[test]
    fn a_code_that_is_not_an_image_is_refused() {
        for image in ["", "https://example.com/x.png", "data:text/html;base64,PGI+", "data:image/png;base64,%%%"] {
            let code = OpenedHandle::MiniProgram { image: image.to_owned() };
            assert!(SceneImage::of_code(&claims(), &code).is_err(), "{image}");
        }
    }
}
