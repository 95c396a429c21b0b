//! Line charts as SVG.

use crate::cli::say::clean;
use std::fmt::Write as _;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 24.0;
/// Told apart by those who see colours differently, and in print by their lightness (Okabe and Ito, 2008).
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// One line of a chart.
pub struct Line {
    /// Its name in the legend.
    pub name: &'static str,
    /// A value for each of the chart's points in time.
    pub values: Vec<f64>,
}

/// A chart: lines over time.
pub struct Chart<'a> {
    /// What it shows.
    pub title: &'static str,
    /// Points in time, seconds since the broker's start, rising.
    pub times: &'a [f64],
    /// Its lines.
    pub lines: Vec<Line>,
    /// A value as people read it.
    pub label: fn(f64) -> String,
    /// A point in time as people read it.
    pub clock: &'a dyn Fn(f64) -> String,
}

impl Chart<'_> {
    /// The chart as a figure of HTML.
    pub fn render(&self) -> String {
        let most = self.lines.iter().flat_map(|line| &line.values).copied().fold(0.0, f64::max);
        let step = round_step(most / 4.0);
        let ceiling = (most / step).ceil().max(1.0) * step;
        let mut text = format!(
            "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(self.title),
            escape(self.title)
        );
        self.grid(&mut text, step, ceiling);
        self.lines.iter().zip(COLOURS).for_each(|(line, colour)| self.line(&mut text, line, colour, ceiling));
        text.push_str("</svg><p class=\"legend\">");
        for (line, colour) in self.lines.iter().zip(COLOURS) {
            let peak = line.values.iter().copied().fold(0.0, f64::max);
            let (name, peak) = (escape(line.name), escape(&(self.label)(peak)));
            // Writing to a String can't fail.
            let _ = write!(text, "<span style=\"color:{colour}\">&#9632;</span> {name} (at most {peak}) ");
        }
        text.push_str("</p></figure>\n");
        text
    }

    fn grid(&self, text: &mut String, step: f64, ceiling: f64) {
        let right = WIDTH - RIGHT;
        for number in 0..=((ceiling / step).round() as u32) {
            let value = f64::from(number) * step;
            let y = place_y(value, ceiling);
            let label = escape(&(self.label)(value));
            let _ = writeln!(
                text,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 6.0,
                y + 4.0
            );
        }
        let (first, last) = self.ends();
        let ends = [
            (LEFT, "start", first),
            (f64::midpoint(LEFT, right), "middle", f64::midpoint(first, last)),
            (right, "end", last),
        ];
        for (x, anchor, time) in ends {
            let label = escape(&(self.clock)(time));
            let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{label}</text>", HEIGHT - 6.0);
        }
    }

    fn line(&self, text: &mut String, line: &Line, colour: &str, ceiling: f64) {
        let (first, last) = self.ends();
        let width = (last - first).max(f64::MIN_POSITIVE);
        let place_x = |time: f64| LEFT + (time - first) / width * (WIDTH - LEFT - RIGHT);
        let points = self.times.iter().zip(&line.values);
        let points = points.map(|(time, value)| format!("{:.1},{:.1}", place_x(*time), place_y(*value, ceiling)));
        let points: Vec<String> = points.collect();
        let _ = writeln!(text, "<polyline fill=\"none\" stroke=\"{colour}\" points=\"{}\"/>", points.join(" "));
        // What a pointer that rests on a place is told.
        for (time, value) in self.times.iter().zip(&line.values) {
            let told = escape(&format!("{} {}: {}", (self.clock)(*time), line.name, (self.label)(*value)));
            let (x, y) = (place_x(*time), place_y(*value, ceiling));
            let _ = writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{told}</title></circle>");
        }
    }

    fn ends(&self) -> (f64, f64) {
        (self.times.first().copied().unwrap_or(0.0), self.times.last().copied().unwrap_or(0.0))
    }
}

fn place_y(value: f64, ceiling: f64) -> f64 {
    TOP + (1.0 - value / ceiling) * (HEIGHT - TOP - BOTTOM)
}

/// The next number from 1, 2, 5, 10, 20 and so on.
fn round_step(least: f64) -> f64 {
    if least <= 0.0 || !least.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// Text as HTML has it.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // It may be printed to a terminal as well.
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (least, step) in [(0.0, 1.0), (0.9, 1.0), (1.1, 2.0), (3.0, 5.0), (6.0, 10.0), (0.03, 0.05), (1e9, 1e9)] {
            assert!((round_step(least) / step - 1.0).abs() < 1e-9, "{least}");
        }
    }

    #[test]
    fn a_chart_of_one_point_or_none_is_a_chart() {
        for times in [&[][..], &[5.0]] {
            let lines = vec![Line { name: "a<b", values: vec![3.0; times.len()] }];
            let chart =
                Chart { title: "t", times, lines, label: |v| format!("{v:.0}"), clock: &|time| format!("{time}s") };
            let text = chart.render();
            assert!(text.contains("a&lt;b") && !text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }

    #[test]
    fn the_largest_value_is_within_the_picture() {
        let times = [0.0, 10.0, 20.0];
        let lines = vec![Line { name: "calls", values: vec![0.0, 41.0, 7.0] }];
        let text = Chart { title: "t", times: &times, lines, label: |v| format!("{v:.0}"), clock: &|_| String::new() }
            .render();
        assert!(text.contains("points=\"64.0,176.0 308.0,") && text.contains(">60</text>"), "{text}");
    }
}
