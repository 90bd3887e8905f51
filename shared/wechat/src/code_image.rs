//! Pictures in WeChat's answers. Pictures and errors both come with status 200; their first bytes distinguish them.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::de::IgnoredAny;

use crate::api::{ApiError, ErrorCode, parse_answer};

/// The first bytes of the formats that WeChat uses, and their media types.
const FORMATS: [(&[u8], &str); 2] = [(b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg")];

/// A picture of a mini-program code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeImage {
    media_type: &'static str,
    bytes: Vec<u8>,
}

impl CodeImage {
    /// Reads the answer of `getwxacodeunlimit`. Fails with the error that WeChat reports, or with
    /// [`ApiError::Malformed`] for anything that is neither PNG, nor JPEG, nor an error. WeChat limits this call by the
    /// minute only, and says so with the number that means a day's quota elsewhere.
    pub fn parse(answer: Vec<u8>) -> Result<Self, ApiError> {
        match FORMATS.iter().find(|(beginning, _)| answer.starts_with(beginning)) {
            Some((_, media_type)) => Ok(Self { media_type, bytes: answer }),
            None => match parse_answer::<IgnoredAny>(&answer) {
                Ok(IgnoredAny) => Err(ApiError::Malformed(answer.len())),
                Err(error) => Err(error.with_code(ErrorCode::by_the_minute)),
            },
        }
    }

    /// The picture as a `data:` URL.
    pub fn data_url(&self) -> String {
        format!("data:{};base64,{}", self.media_type, STANDARD.encode(&self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_recognized_by_its_first_bytes() {
        for (bytes, address) in [
            (&b"\x89PNG\r\n\x1a\n{\"errcode\":1}"[..], "data:image/png;base64,iVBORw0KGgp7ImVycmNvZGUiOjF9"),
            (b"\xff\xd8\xff\xe0errmsg", "data:image/jpeg;base64,/9j/4GVycm1zZw=="),
        ] {
            assert_eq!(CodeImage::parse(bytes.to_vec()).unwrap().data_url(), address);
        }
    }

    #[test]
    fn an_answer_that_is_no_picture_is_an_error() {
        let refused = CodeImage::parse(br#"{"errcode":41030,"errmsg":"invalid page"}"#.to_vec());
        assert!(matches!(refused, Err(ApiError::Refused { code: ErrorCode::Mistake, number: 41030, .. })));
        let crowded = CodeImage::parse(br#"{"errcode":45009,"errmsg":"reach max api daily quota limit"}"#.to_vec());
        assert!(matches!(crowded, Err(ApiError::Refused { code: ErrorCode::MinuteQuota, number: 45009, .. })));
        for answer in [&b""[..], b"<html>", b"{}", b"{\"errcode\":0}", b"\"\"", b"GIF89a", b"<svg/>", b"\xff\xd8"] {
            assert_eq!(CodeImage::parse(answer.to_vec()), Err(ApiError::Malformed(answer.len())));
        }
    }
}
