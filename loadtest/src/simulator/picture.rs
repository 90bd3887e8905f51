//! Pictures of codes: drawn for the API, and read as a phone's camera does.
//!
//! A mini program's code is round in life; here it is a QR code, so that any phone can read it.

use std::io::Cursor;

use fast_qr::{
    QRCode,
    convert::svg::SvgBuilder,
    qr::{QRBuilder, QRCodeError},
};
use image::{GrayAlphaImage, GrayImage, ImageFormat, Luma, LumaA};

/// What a scanner needs around a code, in modules.
const QUIET: u32 = 4;
/// Pixels a module, where a drawing becomes a picture.
const SCALE: u32 = 4;

/// An SVG of what says this.
pub(crate) fn svg(says: &str) -> String {
    SvgBuilder::default().to_str(&code(says))
}

/// A picture of what says this, so many pixels wide: a JPEG, or a PNG if it has no background. And
/// its content type.
pub(crate) fn pixels(says: &str, width: u32, transparent: bool) -> (&'static str, Vec<u8>) {
    let code = code(says);
    let modules = u32::try_from(code.size).expect("at most 177") + 2 * QUIET;
    let dark = |x: u32, y: u32| {
        let at = |pixel: u32| usize::try_from((pixel * modules / width).checked_sub(QUIET)?).ok();
        let (Some(column), Some(row)) = (at(x), at(y)) else { return false };
        row < code.size && column < code.size && code[row][column].value()
    };
    let mut bytes = Cursor::new(Vec::new());
    let (content_type, written) = if transparent {
        let picture = GrayAlphaImage::from_fn(width, width, |x, y| LumaA(if dark(x, y) { [0, 255] } else { [255, 0] }));
        ("image/png", picture.write_to(&mut bytes, ImageFormat::Png))
    } else {
        let picture = GrayImage::from_fn(width, width, |x, y| Luma([if dark(x, y) { 0 } else { 255 }]));
        ("image/jpeg", picture.write_to(&mut bytes, ImageFormat::Jpeg))
    };
    written.expect("memory takes every byte");
    (content_type, bytes.into_inner())
}

/// What the code in a JPEG or PNG says; `None` if there is none that can be read.
pub fn read_code(picture: &[u8]) -> Option<String> {
    read(image::load_from_memory(picture).ok()?.into_luma8())
}

/// The same, of an SVG whose dark modules are runs `M x y h length v1 …`, which is all that our own and the
/// simulator's have in them.
pub fn read_drawn(svg: &str) -> Option<String> {
    let side: u32 = svg.split("viewBox=\"0 0 ").nth(1)?.split(' ').next()?.parse().ok()?;
    let mut picture = GrayImage::from_pixel(side * SCALE, side * SCALE, Luma([255]));
    // The first path is the background.
    for run in svg.rsplit("d=\"").next()?.split('M').skip(1) {
        let numbers: Vec<u32> = run.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
        let [x, y, length, ..] = numbers[..] else { return None };
        for (dx, dy) in (0..length * SCALE).flat_map(|dx| (0..SCALE).map(move |dy| (dx, dy))) {
            *picture.get_pixel_mut_checked(x * SCALE + dx, y * SCALE + dy)? = Luma([0]);
        }
    }
    read(picture)
}

fn read(picture: GrayImage) -> Option<String> {
    let mut prepared = rqrr::PreparedImage::prepare(picture);
    let (_, says) = prepared.detect_grids().first()?.decode().ok()?;
    Some(says)
}

fn code(says: &str) -> QRCode {
    let code: Result<QRCode, QRCodeError> = QRBuilder::new(says).build();
    code.expect("an address fits into a QR code")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAYS: &str = "http://127.0.0.1:8083/q/0123456789abcdefghijkl";

    #[test]
    fn what_is_drawn_in_any_size_can_be_read() {
        for width in [280, 430, 431, 1280] {
            for transparent in [false, true] {
                let (content_type, picture) = pixels(SAYS, width, transparent);
                assert_eq!(read_code(&picture).as_deref(), Some(SAYS), "{width} {content_type}");
            }
        }
    }

    #[test]
    fn what_is_drawn_as_runs_can_be_read_and_nothing_else() {
        assert_eq!(read_drawn(&svg(SAYS)).as_deref(), Some(SAYS));
        for other in ["", "<svg viewBox=\"0 0 x\">", "<svg viewBox=\"0 0 9 9\"><path d=\"M8 8h9v1\"/>"] {
            assert_eq!(read_drawn(other), None, "{other}");
        }
    }

    #[test]
    fn a_picture_without_a_background_is_a_png() {
        let [(jpeg, jpeg_bytes), (png, png_bytes)] = [pixels(SAYS, 280, false), pixels(SAYS, 280, true)];
        assert_eq!((jpeg, &jpeg_bytes[..3]), ("image/jpeg", &b"\xff\xd8\xff"[..]));
        assert_eq!((png, &png_bytes[..4]), ("image/png", &b"\x89PNG"[..]));
    }

    #[test]
    fn what_is_no_code_says_nothing() {
        assert_eq!(read_code(br#"{"errcode":41030}"#), None);
        let mut blank = Cursor::new(Vec::new());
        GrayImage::new(280, 280).write_to(&mut blank, ImageFormat::Png).unwrap();
        assert_eq!(read_code(&blank.into_inner()), None);
    }
}
