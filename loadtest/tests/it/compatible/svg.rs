//! Codes that were drawn as SVG, read as a phone's camera does.

use std::io::Cursor;

use image::{GrayImage, ImageFormat, Luma};

/// Pixels a module.
const SCALE: u32 = 4;

/// A picture (PNG) of an SVG whose dark modules are runs `M x y h length v1 …`, which is all that our own
/// and the simulator's have in them.
pub(super) fn render(svg: &str) -> Vec<u8> {
    let side: u32 =
        svg.split("viewBox=\"0 0 ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    let mut picture = GrayImage::from_pixel(side * SCALE, side * SCALE, Luma([255]));
    // The first path is the background.
    for run in svg.rsplit("d=\"").next().unwrap().split('M').skip(1) {
        let numbers: Vec<u32> = run.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
        let [x, y, length, ..] = numbers[..] else { panic!("no run: {run}") };
        for (dx, dy) in (0..length * SCALE).flat_map(|dx| (0..SCALE).map(move |dy| (dx, dy))) {
            picture.put_pixel(x * SCALE + dx, y * SCALE + dy, Luma([0]));
        }
    }
    let mut png = Cursor::new(vec![]);
    picture.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}
