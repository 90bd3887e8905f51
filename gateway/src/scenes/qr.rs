//! Draws a QR code, so that no image has to be fetched from WeChat.

use std::fmt::Write;

use fast_qr::{ECL, QRBuilder, QRCode};

/// Empty modules around the code, which readers need (ISO/IEC 18004 asks for four).
const QUIET_ZONE: usize = 4;

/// The text is too long for a QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub(super) struct QrTooLongError;

/// An SVG of the QR code for `text`: a few kilobytes, dark on light, scalable.
pub(super) fn svg(text: &str) -> Result<String, QrTooLongError> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().map_err(|_| QrTooLongError)?;
    let side = code.size + 2 * QUIET_ZONE;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{}\"/></svg>",
        path(&code)
    ))
}

/// One rectangle for each run of dark modules. A rectangle for each module would take three times as many bytes.
fn path(code: &QRCode) -> String {
    let mut path = String::with_capacity(4096);
    for row in 0..code.size {
        let mut column = 0;
        while column < code.size {
            let run = (column..code.size).take_while(|column| code[row][*column].value()).count();
            if run > 0 {
                write!(path, "M{} {}h{run}v1h-{run}z", column + QUIET_ZONE, row + QUIET_ZONE)
                    .expect("a String takes every character");
            }
            column += run.max(1);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_svg_is_small_and_complete() {
        let svg = svg("http://weixin.qq.com/q/02AAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        assert!(svg.len() < 4096, "{}", svg.len());
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"));
    }

    #[test]
    fn a_text_that_is_too_long_is_refused() {
        assert_eq!(svg(&"x".repeat(10_000)), Err(QrTooLongError));
    }
}
