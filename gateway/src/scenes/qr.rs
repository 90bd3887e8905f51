//! Draws a QR code, so that no image has to be fetched from WeChat.

use qrcodegen::{Mask, QrCode, QrCodeEcc, QrSegment, Version};

/// Empty modules around the code, which readers need (ISO/IEC 18004 asks for four).
const QUIET_ZONE: i32 = 4;
/// ISO/IEC 18004 has eight masks, and readers read each. To try all of them, for the one that looks most even, takes nine
/// tenths of the time. The addresses differ at random, so any mask is as good.
///
/// See docs/decisions/102-a-qr-code-is-drawn-with-a-fixed-mask.md.
const MASK: u8 = 3;

/// Room for the code of an address of WeChat's.
const SVG_BYTES: usize = 3072;

/// The text is too long for a QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub(super) struct QrTooLongError;

/// An SVG of the QR code for `text`: a few kilobytes, dark on light, scalable.
pub(super) fn svg(text: &str) -> Result<String, QrTooLongError> {
    let segments = QrSegment::make_segments(text);
    let mask = Some(Mask::new(MASK));
    let code = QrCode::encode_segments_advanced(&segments, QrCodeEcc::Medium, Version::MIN, Version::MAX, mask, true)
        .map_err(|_| QrTooLongError)?;
    let side = code.size() + 2 * QUIET_ZONE;
    let mut svg = String::with_capacity(SVG_BYTES);
    svg.push_str("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ");
    push_numbers(&mut svg, [("", side), (" ", side)]);
    svg.push_str("\" shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0");
    push_numbers(&mut svg, [("h", side), ("v", side)]);
    // A line is as wide as a module, and runs along its middle. A page's own rules for lines of an svg don't reach it.
    svg.push_str(
        "H0z\"/><path stroke=\"#000\" stroke-width=\"1\" stroke-linecap=\"butt\" transform=\"translate(0 .5)\" d=\"",
    );
    push_path(&mut svg, &code);
    svg.push_str("\"/></svg>");
    Ok(svg)
}

/// One line for each run of dark modules.
fn push_path(path: &mut String, code: &QrCode) {
    let mut in_row = String::with_capacity(8);
    for row in 0..code.size() {
        in_row.clear();
        push_numbers(&mut in_row, [(" ", row + QUIET_ZONE)]);
        in_row.push('h');
        let mut column = 0;
        while column < code.size() {
            let run = dark_run(code, column, row);
            if run > 0 {
                push_numbers(path, [("M", column + QUIET_ZONE), (&in_row, run)]);
            }
            column += run.max(1);
        }
    }
}

/// How many dark modules follow each other in this row, from this column on.
fn dark_run(code: &QrCode, column: i32, row: i32) -> i32 {
    let mut end = column;
    // Beyond the code there are no dark modules.
    while code.get_module(end, row) {
        end += 1;
    }
    end - column
}

/// Numbers, each after a text. `write!` takes several times as long.
fn push_numbers<const N: usize>(to: &mut String, numbers: [(&str, i32); N]) {
    let mut digits = itoa::Buffer::new();
    for (before, number) in numbers {
        to.push_str(before);
        to.push_str(digits.format(number));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The text of a drawn code, as a phone reads it from its dark modules.
    fn read(svg: &str) -> Option<String> {
        let (head, path) = svg.rsplit_once(" d=\"")?;
        let side: usize = head.split("viewBox=\"0 0 ").nth(1)?.split(' ').next()?.parse().ok()?;
        let mut dark = HashSet::new();
        for run in path.split('M').skip(1) {
            let numbers = run.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
            let numbers: Vec<usize> = numbers.collect();
            let [x, y, length, ..] = numbers[..] else { return None };
            dark.extend((x..x + length).map(|x| (x - 4, y - 4)));
        }
        let grid = rqrr::SimpleGrid::from_func(side - 8, |x, y| dark.contains(&(x, y)));
        Some(rqrr::Grid::new(grid).decode().ok()?.1)
    }

    #[test]
    fn an_svg_is_small_and_complete() {
        let svg = svg("http://weixin.qq.com/q/02AAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        assert!(svg.len() < SVG_BYTES, "{}", svg.len());
        assert!(svg.starts_with("<svg ") && svg.ends_with("\"/></svg>"));
        let background =
            "viewBox=\"0 0 41 41\" shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h41v41H0z\"/>";
        assert!(svg.contains(background), "{svg}");
        let lines =
            "<path stroke=\"#000\" stroke-width=\"1\" stroke-linecap=\"butt\" transform=\"translate(0 .5)\" d=\"M4 4h7";
        assert!(svg.contains(lines), "{svg}");
    }

    #[test]
    fn a_phone_reads_what_was_drawn_whatever_it_says() {
        let address = |n: usize| format!("http://weixin.qq.com/q/{}", "02aZ-_9".repeat(n));
        let texts = (0..40).map(address).chain(["", "0", "7777777777", "WX", "\u{5fae}\u{4fe1}"].map(String::from));
        for text in texts {
            assert_eq!(read(&svg(&text).unwrap()).as_deref(), Some(&*text));
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_refused() {
        assert_eq!(svg(&"x".repeat(10_000)), Err(QrTooLongError));
    }
}
