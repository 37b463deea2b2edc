//! Bar charts of hours as plain SVG, with a part of each bar for failures.

use askama::Template;
use jiff::tz::TimeZone;
use vault::tallies::Hour;

/// Width and height of the drawing in its own units. It scales with the page.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 140.0;
/// Space below the bars for the hours, and above them for the largest number.
const BELOW: f64 = 18.0;
const ABOVE: f64 = 16.0;
/// Space for a label, also on a phone.
const LABEL: f64 = 170.0;

/// One bar an hour, and a table of the same numbers for screen readers.
#[derive(Template)]
#[template(path = "chart.html")]
pub(super) struct Chart {
    title: &'static str,
    whole: &'static str,
    part: &'static str,
    bars: Vec<Bar>,
    most: u64,
}

/// One hour.
struct Bar {
    hour: String,
    is_labelled: bool,
    label_x: f64,
    /// The end of the label at `label_x`: near the right edge it is the end, so that the label fits.
    anchor: &'static str,
    whole: u64,
    part: u64,
    x: f64,
    width: f64,
    top: f64,
    height: f64,
    part_top: f64,
    part_height: f64,
}

impl Chart {
    /// Draws two numbers of each hour: all, and those of them that failed.
    pub(super) fn of(
        title: &'static str,
        [whole, part]: [&'static str; 2],
        hours: &[Hour],
        numbers: impl Fn(&Hour) -> (u64, u64),
    ) -> Self {
        let most = hours.iter().map(|hour| numbers(hour).0).max().unwrap_or_default();
        let step = WIDTH / as_f64(u64::try_from(hours.len().max(1)).unwrap_or(1));
        let scale = (HEIGHT - BELOW - ABOVE) / as_f64(most.max(1));
        let bottom = HEIGHT - BELOW;
        let bars = hours
            .iter()
            .zip(0_u32..)
            .map(|(hour, index)| {
                let (whole, part) = numbers(hour);
                let zoned = hour.begins.to_zoned(TimeZone::UTC);
                let (height, part_height) =
                    (as_f64(whole) * scale, as_f64(part.min(whole)) * scale);
                let (x, width) = (f64::from(index) * step + 2.0, step - 4.0);
                let (label_x, anchor) =
                    if x > WIDTH - LABEL { (x + width, "end") } else { (x, "start") };
                Bar {
                    label_x,
                    anchor,
                    hour: zoned.strftime("%-d %b, %H:00").to_string(),
                    is_labelled: zoned.hour() % 6 == 0,
                    whole,
                    part,
                    x,
                    width,
                    top: bottom - height,
                    height,
                    part_top: bottom - part_height,
                    part_height,
                }
            })
            .collect();
        Self { title, whole, part, bars, most }
    }

    /// Returns the sums, in words.
    fn summary(&self) -> String {
        let sum = |number: fn(&Bar) -> u64| self.bars.iter().map(number).sum::<u64>();
        format!("{} {}, {} {}", sum(|bar| bar.whole), self.whole, sum(|bar| bar.part), self.part)
    }
}

/// Converts a count to drawing units.
#[expect(clippy::cast_precision_loss, reason = "a bar's height needs no more than 52 bits")]
fn as_f64(number: u64) -> f64 {
    number as f64
}
