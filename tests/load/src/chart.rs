//! A bar chart as SVG.

use std::fmt::Write as _;

const ROW: f64 = 26.0;
const LABELS: f64 = 260.0;
const BARS: f64 = 420.0;
const FIGURES: f64 = 80.0;
const HEAD: f64 = 40.0;

/// A bar: its label and its length in the chart's unit.
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) length: f64,
}

/// Writes a chart with horizontal bars. It has a background of its own, so that it can be read on a dark page, too.
pub(crate) fn svg(title: &str, bars: &[Bar]) -> String {
    let longest = bars.iter().map(|bar| bar.length).fold(f64::MIN_POSITIVE, f64::max);
    let width = LABELS + BARS + FIGURES;
    let mut rows = String::new();
    let mut top = HEAD;
    for Bar { label, length } in bars {
        let (text, long) = (top + ROW * 0.6, BARS * length / longest);
        let _ = writeln!(
            rows,
            r##"<text x="{label_end:.0}" y="{text:.0}" text-anchor="end">{label}</text><rect x="{LABELS:.0}" y="{top:.0}" width="{long:.1}" height="18" fill="#2563a8"/><text x="{figure:.1}" y="{text:.0}">{length:.0}</text>"##,
            label_end = LABELS - 8.0,
            label = escaped(label),
            figure = LABELS + long + 6.0,
        );
        top += ROW;
    }
    let height = top + 10.0;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" font-family="sans-serif" font-size="13" fill="#1b1b1b">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="12" y="24" font-weight="bold">{title}</text>
{rows}</svg>
"##,
        title = escaped(title),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_chart_and_labels_are_escaped() {
        let bar = |label: &str, length| Bar { label: label.to_owned(), length };
        let chart = svg("a < b", &[bar("one & two", 400.0), bar("half", 200.0)]);
        assert!(chart.contains(r#"width="420.0""#) && chart.contains(r#"width="210.0""#));
        assert!(chart.contains("a &lt; b") && chart.contains("one &amp; two"));
    }
}
