//! Line and bar charts as SVG: few elements, text that a screen reader finds, colours that go with
//! light and dark pages.

use std::fmt::Write as _;

/// A chart of one or more series over two axes.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    /// What is to be seen, for those who do not see it.
    pub(super) description: &'a str,
    pub(super) x: Axis<'a>,
    pub(super) y: Axis<'a>,
    pub(super) series: Vec<Series<'a>>,
}

/// An axis.
#[derive(Clone, Copy)]
pub(super) struct Axis<'a> {
    pub(super) name: &'a str,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) scale: Scale,
}

/// How an axis is parted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    /// Powers of ten; `from` must be above 0.
    Logarithmic,
}

/// Points that belong together, in order.
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) shape: Shape,
}

/// How points are drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Line,
    /// The line that others are compared with.
    Dashed,
    /// Each point is the height of a bar from there to the next point.
    Steps,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 56.0;
/// Most series that are drawn; colours repeat before that.
const SERIES_MAX: usize = 16;
/// Most points of a series.
const POINTS_MAX: usize = 1_000;

/// Colours of Okabe and Ito, which most people tell apart, the text in the page's own colour.
const STYLE: &str = "<style>\
svg{color:#1b1f24;background:#fff}\
text{fill:currentColor;font:12px system-ui,sans-serif}\
.t{font-size:15px;font-weight:600}\
.g{stroke:currentColor;stroke-opacity:.15}\
.a{stroke:currentColor;fill:none}\
.s{fill:none;stroke-width:2;stroke-linejoin:round}\
.f{fill-opacity:.25;stroke-width:1.5}\
.d{stroke-dasharray:5 4}\
.c0{--c:#0072b2}.c1{--c:#d55e00}.c2{--c:#009e73}.c3{--c:#cc79a7}.c4{--c:#b8860b}.c5{--c:#56b4e9}.c6{--c:#7f7f7f}\
.s,.f{stroke:var(--c)}.f{fill:var(--c)}\
@media(prefers-color-scheme:dark){svg{color:#e6edf3;background:#0d1117}\
.c0{--c:#58a6ff}.c1{--c:#ff9e64}.c2{--c:#3fd0a0}.c3{--c:#e59bc8}.c4{--c:#e3c04b}.c5{--c:#8ad3ff}.c6{--c:#a0a0a0}}\
</style>";
const COLOURS: usize = 7;

impl Chart<'_> {
    /// The chart as a whole SVG document.
    pub(super) fn svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-labelledby=\"title desc\"><title id=\"title\">{}</title><desc id=\"desc\">{}</desc>\
             {STYLE}\n<text class=\"t\" x=\"{LEFT}\" y=\"24\">{}</text>\n",
            escaped(self.title),
            escaped(self.description),
            escaped(self.title),
        );
        self.draw_axes(&mut svg);
        for (place, series) in self.series.iter().take(SERIES_MAX).enumerate() {
            self.draw(series, place, &mut svg);
        }
        svg += "</svg>\n";
        svg
    }

    fn draw_axes(&self, svg: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for tick in self.x.ticks() {
            let x = self.place((tick, self.y.from)).0;
            put(
                svg,
                format_args!(
                    "<path class=\"g\" d=\"M{x:.1} {TOP}V{bottom}\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                    bottom + 18.0,
                    label(tick),
                ),
            );
        }
        for tick in self.y.ticks() {
            let y = self.place((self.x.from, tick)).1;
            put(
                svg,
                format_args!(
                    "<path class=\"g\" d=\"M{LEFT} {y:.1}H{right}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                    LEFT - 8.0,
                    y + 4.0,
                    label(tick),
                ),
            );
        }
        let middle = (TOP + bottom) / 2.0;
        put(
            svg,
            format_args!(
                "<path class=\"a\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(16 {middle:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
                (LEFT + right) / 2.0,
                HEIGHT - 14.0,
                escaped(self.x.name),
                escaped(self.y.name),
            ),
        );
    }

    fn draw(&self, series: &Series<'_>, place: usize, svg: &mut String) {
        let path = match series.shape {
            Shape::Line | Shape::Dashed => self.line(&series.points),
            Shape::Steps => self.steps(&series.points),
        };
        let colour = place % COLOURS;
        let class = match series.shape {
            Shape::Line => "s",
            Shape::Dashed => "s d",
            Shape::Steps => "f",
        };
        let y = TOP + 14.0 + 20.0 * place as f64;
        let x = WIDTH - RIGHT + 14.0;
        put(
            svg,
            format_args!(
                "<path class=\"{class} c{colour}\" d=\"{path}\"/>\
             <path class=\"{class} c{colour}\" d=\"M{x} {y}h18v1h-18z\"/>\
             <text x=\"{}\" y=\"{}\">{}</text>\n",
                x + 24.0,
                y + 4.0,
                escaped(series.name),
            ),
        );
    }

    fn line(&self, points: &[(f64, f64)]) -> String {
        let mut path = String::new();
        for (index, point) in thinned(points).enumerate() {
            let (x, y) = self.place(point);
            let step = if index == 0 { 'M' } else { 'L' };
            put(&mut path, format_args!("{step}{x:.1} {y:.1}"));
        }
        path
    }

    fn steps(&self, points: &[(f64, f64)]) -> String {
        let floor = self.place((self.x.from, self.y.from)).1;
        let mut path = String::new();
        for pair in points.windows(2) {
            let (x, y) = self.place(pair[0]);
            let (next, _) = self.place(pair[1]);
            put(
                &mut path,
                format_args!("M{x:.1} {floor:.1}V{y:.1}H{next:.1}V{floor:.1}"),
            );
        }
        path
    }

    /// Where a point of the data lies in the picture.
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        (
            LEFT + self.x.share(x) * width,
            HEIGHT - BOTTOM - self.y.share(y) * height,
        )
    }
}

impl Axis<'_> {
    /// How far along the axis a value lies, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let (value, from, to) = match self.scale {
            Scale::Linear => (value, self.from, self.to),
            Scale::Logarithmic => (
                value.max(self.from).log10(),
                self.from.log10(),
                self.to.log10(),
            ),
        };
        let share = (value - from) / (to - from);
        if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        }
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => (0..=5)
                .map(|tick| self.from + (self.to - self.from) * f64::from(tick) / 5.0)
                .collect(),
            Scale::Logarithmic => {
                let (from, to) = (self.from.log10().ceil(), self.to.log10().floor());
                let powers = (from as i32)..=(to as i32);
                powers.take(20).map(|power| 10f64.powi(power)).collect()
            }
        }
    }
}

/// At most [`POINTS_MAX`] of the points, the first and the last among them.
fn thinned(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let every = points.len().div_ceil(POINTS_MAX).max(1);
    let last = points.len().saturating_sub(1);
    points
        .iter()
        .enumerate()
        .filter(move |(index, _)| index.is_multiple_of(every) || *index == last)
        .map(|(_, point)| *point)
}

/// A number short enough for an axis.
fn label(number: f64) -> String {
    let size = number.abs();
    if size >= 1e5 || (size > 0.0 && size < 1e-3) {
        format!("{number:.0e}")
    } else if size >= 100.0 || number.fract() == 0.0 {
        format!("{number:.0}")
    } else if size >= 1.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.3}").trim_end_matches('0').to_owned()
    }
}

/// Text without anything that SVG would act on.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// Writing to a string cannot fail.
fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart<'a>(name: &'a str, points: Vec<(f64, f64)>) -> Chart<'a> {
        let axis = Axis {
            name: "share",
            from: 0.0,
            to: 1.0,
            scale: Scale::Linear,
        };
        Chart {
            title: "A <b>title</b>",
            description: "what is \"seen\"",
            x: axis,
            y: axis,
            series: vec![Series {
                name,
                points,
                shape: Shape::Line,
            }],
        }
    }

    #[test]
    fn hostile_names_stay_text() {
        let svg = chart("<script>alert('1')</script>", vec![(0.0, 0.0)]).svg();
        assert!(!svg.contains("<script") && !svg.contains("<b>"));
        assert!(svg.contains("&lt;script&gt;alert(&#39;1&#39;)"));
    }

    #[test]
    fn a_screen_reader_finds_title_and_description() {
        let svg = chart("one", vec![]).svg();
        assert!(svg.contains("role=\"img\"") && svg.contains("aria-labelledby=\"title desc\""));
        assert!(svg.contains("<title id=\"title\">A &lt;b&gt;"));
    }

    #[test]
    fn points_lie_within_the_axes_whatever_they_are() {
        let points = vec![(f64::NAN, -5.0), (f64::INFINITY, 7.0), (0.5, 0.5)];
        let svg = chart("one", points).svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn many_points_are_thinned_and_the_last_one_is_kept() {
        let points: Vec<(f64, f64)> = (0..10_000).map(|x| (f64::from(x), 0.0)).collect();
        let kept: Vec<_> = thinned(&points).collect();
        assert!(kept.len() <= POINTS_MAX + 1);
        assert_eq!(kept.last(), points.last());
    }

    #[test]
    fn logarithmic_axes_are_marked_at_powers_of_ten() {
        let axis = Axis {
            name: "p",
            from: 0.001,
            to: 1.0,
            scale: Scale::Logarithmic,
        };
        assert_eq!(axis.ticks().len(), 4);
        assert!((axis.share(0.01) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(axis.share(0.0), 0.0);
    }
}
