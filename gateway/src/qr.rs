//! The QR code, drawn here: no fetch from WeChat, and the same picture everywhere.

use std::fmt::Write;

use fast_qr::{ECL, QRBuilder, QRCode};

/// Empty modules around the code, which readers need (ISO/IEC 18004 asks for four).
const MARGIN: usize = 4;

/// What was to be drawn is too long for a QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub(crate) struct TooLong;

/// An SVG of the QR code that says `text`; a few kilobytes, dark on light, of no fixed size.
pub(crate) fn svg(text: &str) -> Result<String, TooLong> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().map_err(|_| TooLong)?;
    let side = code.size + 2 * MARGIN;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{}\"/></svg>",
        path(&code)
    ))
}

/// A rectangle for each run of dark modules: a third of the size of one for each module.
fn path(code: &QRCode) -> String {
    let mut path = String::with_capacity(4096);
    for row in 0..code.size {
        let mut column = 0;
        while column < code.size {
            let run = (column..code.size).take_while(|column| code[row][*column].value()).count();
            if run > 0 {
                write!(path, "M{} {}h{run}v1h-{run}z", column + MARGIN, row + MARGIN)
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
    fn a_code_is_small_and_whole() {
        let svg = svg("http://weixin.qq.com/q/02AAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        assert!(svg.len() < 4096, "{}", svg.len());
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"));
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        assert_eq!(svg(&"x".repeat(10_000)), Err(TooLong));
    }
}
