//! Draws codes for the API, and reads them as a phone's camera does.
//!
//! The real code of a mini program is round. Here it is a QR code, so that any phone can read it.

use std::io::Cursor;

use fast_qr::{
    QRCode,
    convert::svg::SvgBuilder,
    qr::{QRBuilder, QRCodeError},
};
use image::{GrayAlphaImage, GrayImage, ImageFormat, Luma, LumaA};

/// The empty margin that a scanner needs around a code, in modules.
const QUIET: u32 = 4;
/// Pixels per module, where an SVG becomes a bitmap.
const SCALE: u32 = 4;

/// Draws a code with this content as SVG.
pub(crate) fn svg(content: &str) -> String {
    SvgBuilder::default().to_str(&code(content))
}

/// Draws a code with this content, `width` pixels wide, and answers its content type too. It is a PNG if the
/// background is transparent, and otherwise a JPEG.
pub(crate) fn pixels(content: &str, width: u32, transparent: bool) -> (&'static str, Vec<u8>) {
    let code = code(content);
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
    written.expect("a write to memory doesn't fail");
    (content_type, bytes.into_inner())
}

/// The content of the code in a JPEG or PNG; `None` if there is no readable code.
pub fn read_code(picture: &[u8]) -> Option<String> {
    read(image::load_from_memory(picture).ok()?.into_luma8())
}

/// The content of the code in an SVG. It only understands dark modules as runs `M x y h length …`, which is how
/// the product and the simulator draw them.
pub fn read_drawn(svg: &str) -> Option<String> {
    let side: u32 = svg.split("viewBox=\"0 0 ").nth(1)?.split(' ').next()?.parse().ok()?;
    let mut picture = GrayImage::from_pixel(side * SCALE, side * SCALE, Luma([255]));
    // The first path is the background.
    for run in svg.rsplit("d=\"").next()?.split('M').skip(1) {
        let numbers: Vec<u32> = run.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
        let [x, y, length, ..] = numbers[..] else { return None };
        for dx in 0..length * SCALE {
            for dy in 0..SCALE {
                *picture.get_pixel_mut_checked(x * SCALE + dx, y * SCALE + dy)? = Luma([0]);
            }
        }
    }
    read(picture)
}

fn read(picture: GrayImage) -> Option<String> {
    let mut prepared = rqrr::PreparedImage::prepare(picture);
    let (_, content) = prepared.detect_grids().first()?.decode().ok()?;
    Some(content)
}

fn code(content: &str) -> QRCode {
    let code: Result<QRCode, QRCodeError> = QRBuilder::new(content).build();
    code.expect("an address fits into a QR code")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &str = "http://127.0.0.1:8083/q/0123456789abcdefghijkl";

    #[test]
    fn a_bitmap_of_any_size_can_be_read() {
        for width in [280, 430, 431, 1280] {
            for transparent in [false, true] {
                let (content_type, picture) = pixels(CONTENT, width, transparent);
                assert_eq!(read_code(&picture).as_deref(), Some(CONTENT), "{width} {content_type}");
            }
        }
    }

    #[test]
    fn an_svg_of_runs_can_be_read_and_nothing_else() {
        assert_eq!(read_drawn(&svg(CONTENT)).as_deref(), Some(CONTENT));
        for other in ["", "<svg viewBox=\"0 0 x\">", "<svg viewBox=\"0 0 9 9\"><path d=\"M8 8h9v1\"/>"] {
            assert_eq!(read_drawn(other), None, "{other}");
        }
    }

    #[test]
    fn a_picture_with_a_transparent_background_is_a_png() {
        let [(jpeg, jpeg_bytes), (png, png_bytes)] = [pixels(CONTENT, 280, false), pixels(CONTENT, 280, true)];
        assert_eq!((jpeg, &jpeg_bytes[..3]), ("image/jpeg", &b"\xff\xd8\xff"[..]));
        assert_eq!((png, &png_bytes[..4]), ("image/png", &b"\x89PNG"[..]));
    }

    #[test]
    fn a_picture_without_a_code_has_no_content() {
        assert_eq!(read_code(br#"{"errcode":41030}"#), None);
        let mut blank = Cursor::new(Vec::new());
        GrayImage::new(280, 280).write_to(&mut blank, ImageFormat::Png).unwrap();
        assert_eq!(read_code(&blank.into_inner()), None);
    }
}
