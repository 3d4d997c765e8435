//! The memory of a soak as a drawing.

use std::fmt::Write;

use crate::output::{bytes, duration};

use super::slope::{self, Sample};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 360.0;
const MARGIN_LEFT: f64 = 90.0;
const MARGIN: f64 = 50.0;
/// More points than these are no better to look at.
const POINTS_MAX: usize = 2_000;

/// An SVG of bytes over seconds, with the line that the verdict is about. From zero: a flat line must look flat.
pub(crate) fn svg(title: &str, samples: &[Sample]) -> String {
    let seconds = samples.last().map_or(1.0, |(at, _)| at.max(1e-3));
    let most = samples.iter().map(|(_, bytes)| *bytes).fold(1.0, f64::max) * 1.1;
    let x = |at: f64| MARGIN_LEFT + at / seconds * (WIDTH - MARGIN_LEFT - MARGIN);
    let y = |bytes: f64| HEIGHT - MARGIN - bytes / most * (HEIGHT - 2.0 * MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{MARGIN_LEFT}\" y=\"24\" font-size=\"14\">{}</text>\n",
        escaped(title)
    );
    // Writing to a string does not fail.
    for part in 0..=4 {
        let part = f64::from(part) / 4.0;
        let (at, level) = (x(seconds * part), y(most * part));
        let _ = writeln!(
            text,
            "<path d=\"M{MARGIN_LEFT} {level:.1}H{:.1}\" stroke=\"#ddd\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            WIDTH - MARGIN,
            MARGIN_LEFT - 8.0,
            level + 4.0,
            bytes((most * part) as u64),
            HEIGHT - MARGIN + 20.0,
            duration(std::time::Duration::from_secs_f64(seconds * part)),
        );
    }
    let stride = samples.len().div_ceil(POINTS_MAX).max(1);
    let points = samples.iter().step_by(stride);
    let points: Vec<String> = points
        .map(|(at, bytes)| format!("{:.1},{:.1}", x(*at), y(*bytes)))
        .collect();
    let _ = writeln!(
        text,
        "<polyline fill=\"none\" stroke=\"#1f5fa8\" stroke-width=\"1.5\" points=\"{}\"/>",
        points.join(" ")
    );
    let half = slope::last_half(samples);
    if let (Some((slope, base)), Some(first), Some(last)) =
        (slope::line(half), half.first(), half.last())
    {
        let _ = writeln!(
            text,
            "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"#c0392b\" stroke-dasharray=\"6 4\"/>",
            x(first.0),
            y(base + slope * first.0),
            x(last.0),
            y(base + slope * last.0),
        );
    }
    text.push_str("</svg>\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_draws_line_and_trend() {
        let samples: Vec<Sample> = (0..100).map(|s| (f64::from(s), 1e6)).collect();
        let text = svg("<memory> & more", &samples);
        assert!(text.starts_with("<svg") && text.ends_with("</svg>\n"));
        assert!(text.contains("&lt;memory&gt; &amp; more"));
        let points = text.split("points=\"").nth(1).expect("a line");
        let points = points.split('"').next().expect("a line");
        assert_eq!(points.split(' ').count(), 100);
        assert!(text.contains("stroke-dasharray"));
    }

    #[test]
    fn a_long_soak_stays_a_small_drawing() {
        let samples: Vec<Sample> = (0..50_000).map(|s| (f64::from(s), 1e6)).collect();
        assert!(svg("long", &samples).len() < 100_000);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert!(svg("nothing", &[]).ends_with("</svg>\n"));
    }
}
