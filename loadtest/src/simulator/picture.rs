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
    let picture = image::load_from_memory(picture).ok()?.into_luma8();
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
