//! Distinct shapes → templates: a pure function of the set of shapes, whatever their order.

use std::collections::BTreeMap;
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::mask::WILDCARD;

/// A position that has shown more than this many values is a parameter.
pub const VALUES_MAX: usize = 4;

/// The shapes that share a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// What the members have in common.
    pub pattern: Pattern,
    /// The shapes, as indices into the list given to [`cluster`], ascending.
    pub members: Vec<usize>,
}

/// A template text, ready to be compared with shapes: each [`WILDCARD`] stands for any bytes of
/// one token but blanks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    text: Box<str>,
}

impl Pattern {
    /// The pattern that `text` writes.
    pub fn new(text: &str) -> Self {
        Self { text: text.into() }
    }

    /// The text of the template.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where in the text of a shape the wildcards of the pattern stand, as ascending byte ranges;
    /// `None` when the shape is not of this pattern. Wildcards the shape brought along may be a
    /// range or lie inside one.
    pub fn open_ranges(&self, shape: &str) -> Option<Vec<Range<usize>>> {
        let mut ranges = Vec::new();
        let mut start = 0;
        let mut tokens = shape.split(' ');
        for piece in self.text.split(' ') {
            let token = tokens.next()?;
            open_token(piece, token, start, &mut ranges)?;
            start += token.len() + 1;
        }
        tokens.next().is_none().then_some(ranges)
    }

    /// Whether `shape` is of this pattern.
    pub fn matches(&self, shape: &str) -> bool {
        self.open_ranges(shape).is_some()
    }
}

fn open_token(
    piece: &str,
    token: &str,
    start: usize,
    ranges: &mut Vec<Range<usize>>,
) -> Option<()> {
    let Some((head, mut rest_piece)) = piece.split_once(WILDCARD) else {
        return (piece == token).then_some(());
    };
    let mut rest = token.strip_prefix(head)?;
    let mut at = start + head.len();
    while let Some((middle, next)) = rest_piece.split_once(WILDCARD) {
        let found = rest.find(middle)?;
        ranges.push(at..at + found);
        at += found + middle.len();
        rest = rest.get(found + middle.len()..)?;
        rest_piece = next;
    }
    let inside = rest.strip_suffix(rest_piece)?;
    ranges.push(at..at + inside.len());
    Some(())
}

/// Shapes of different groups never share a template: the number of tokens (Drain, ICWS 2017).
pub fn group_of(shape: &str) -> u64 {
    shape.bytes().filter(|byte| *byte == b' ').count() as u64 + 1
}

#[derive(Debug)]
struct Config {
    k: usize,
    kb: usize,
    n0: f64,
    n1: f64,
    n2: f64,
    marks: f64,
    kc: usize,
    wc: usize,
    absorb: usize,
}
fn config() -> &'static Config {
    static C: std::sync::OnceLock<Config> = std::sync::OnceLock::new();
    let param = |name: &str, default: f64| {
        std::env::var(name)
            .ok()
            .and_then(|v| v.parse().ok())
            .unwrap_or(default)
    };
    C.get_or_init(|| Config {
        k: param("K", 4.0) as usize,
        kb: param("KB", 4.0) as usize,
        n0: param("N0", 16.0),
        n1: param("N1", 4.0),
        n2: param("N2", 2.0),
        marks: param("M", 0.25),
        kc: param("KC", 4.0) as usize,
        wc: param("WC", 99.0) as usize,
        absorb: param("AB", 1.0) as usize,
    })
}

/// The templates of the distinct `shapes` of one group, ordered by pattern.
pub fn cluster(shapes: &[&str]) -> Vec<Cluster> {
    let mut order: Vec<usize> = (0..shapes.len()).collect();
    order.sort_unstable_by_key(|&i| shapes[i]);
    // Fine: words between separators.
    let mut fine: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for &i in &order {
        fine.entry(skeleton(shapes[i])).or_default().push(i);
    }
    let mut texts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (skeleton, members) in fine {
        let mut interner = Interner::default();
        let rows: Vec<Vec<u32>> = members
            .iter()
            .map(|&i| words(shapes[i]).map(|w| interner.id(w)).collect())
            .collect();
        for (pattern, at) in saturate(
            rows,
            skeleton.bytes().filter(|b| *b != 0 && *b != b' ').count(),
            usize::MAX,
        ) {
            let text = render(&skeleton, &pattern, &interner);
            texts
                .entry(text)
                .or_default()
                .extend(at.into_iter().map(|a| members[a]));
        }
    }
    // Coarse: tokens between blanks.
    let mut interner = Interner::default();
    let (keys, groups): (Vec<&String>, Vec<&Vec<usize>>) = texts.iter().unzip();
    let rows: Vec<Vec<u32>> = keys
        .iter()
        .map(|t| t.split(' ').map(|w| interner.id(w)).collect())
        .collect();
    let mut out: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (pattern, at) in saturate(rows.clone(), 0, config().wc) {
        let mut text = String::new();
        for (p, s) in pattern.iter().enumerate() {
            if p > 0 {
                text.push(' ');
            }
            if *s != WILD {
                text.push_str(interner.text(*s));
                continue;
            }
            let mut values: Vec<&str> = at.iter().map(|&a| interner.text(rows[a][p])).collect();
            values.dedup();
            let (head, tail) = ends(&values);
            text.push_str(head);
            text.push_str(WILDCARD);
            text.push_str(tail);
        }
        out.entry(text)
            .or_default()
            .extend(at.into_iter().flat_map(|a| groups[a].iter().copied()));
    }
    out.into_iter()
        .map(|(text, mut members)| {
            members.sort_unstable();
            Cluster {
                pattern: Pattern::new(&text),
                members,
            }
        })
        .collect()
}

fn ends<'a>(values: &[&'a str]) -> (&'a str, &'a str) {
    let Some(first) = values.first() else {
        return ("", "");
    };
    let is_sep = |b: u8| !b.is_ascii_alphanumeric() && b < 0x80;
    let mut head = first.len();
    let mut tail = first.len();
    for v in values {
        head = head.min(
            first
                .bytes()
                .zip(v.bytes())
                .take_while(|(a, b)| a == b)
                .count(),
        );
        tail = tail.min(
            first
                .bytes()
                .rev()
                .zip(v.bytes().rev())
                .take_while(|(a, b)| a == b)
                .count(),
        );
    }
    let b = first.as_bytes();
    while head > 0
        && !(matches!(
            b[head - 1],
            b'=' | b':' | b'(' | b'[' | b'"' | b'\'' | b'{' | b'<' | b'-' | b'_' | b'@' | b'#'
        ))
    {
        head -= 1;
    }
    while tail > 0 && !(is_sep(b[b.len() - tail]) && b[b.len() - tail] != b'.') {
        tail -= 1;
    }
    let min = values.iter().map(|v| v.len()).min().unwrap_or(0);
    if head + tail > min {
        tail = min.saturating_sub(head);
        while tail > 0 && !(is_sep(b[b.len() - tail])) {
            tail -= 1;
        }
    }
    // never cut inside a wildcard
    let h = &first[..head];
    let t = &first[first.len() - tail..];
    let h = if h.matches('<').count() != h.matches('>').count() && h.ends_with('<') {
        &h[..h.len() - 1]
    } else {
        h
    };
    let h = if h.ends_with("<*") {
        &h[..h.len() - 2]
    } else {
        h
    };
    let t = t.strip_prefix("*>").or(t.strip_prefix('>')).unwrap_or(t);
    (h, t)
}

const WILD: u32 = 0;

#[derive(Default)]
struct Interner<'a> {
    ids: FxHashMap<&'a str, u32>,
    texts: Vec<&'a str>,
}
impl<'a> Interner<'a> {
    fn id(&mut self, word: &'a str) -> u32 {
        if word == WILDCARD {
            return WILD;
        }
        let texts = &mut self.texts;
        *self.ids.entry(word).or_insert_with(|| {
            texts.push(word);
            texts.len() as u32
        })
    }
    fn text(&self, id: u32) -> &'a str {
        if id == WILD {
            WILDCARD
        } else {
            self.texts[id as usize - 1]
        }
    }
}

fn word_end(text: &str) -> usize {
    let b = text.as_bytes();
    let mut at = 0;
    while at < b.len() {
        if b[at..].starts_with(b"<*>") {
            at += 3;
        } else if b[at].is_ascii_alphanumeric() || b[at] >= 0x80 {
            at += 1;
        } else {
            break;
        }
    }
    at
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let n = word_end(rest);
            if n > 0 {
                let (w, r) = rest.split_at(n);
                rest = r;
                return Some(w);
            }
            rest = &rest[1..];
        }
        None
    })
}

/// The text with each word cut down to a NUL.
fn skeleton(text: &str) -> String {
    let mut out = String::with_capacity(text.len() / 3);
    let mut rest = text;
    while !rest.is_empty() {
        let n = word_end(rest);
        if n > 0 {
            out.push('\0');
            rest = &rest[n..];
        } else {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    out
}

fn render(skeleton: &str, pattern: &[u32], interner: &Interner<'_>) -> String {
    let mut out = String::new();
    let mut at = 0;
    for c in skeleton.chars() {
        if c == '\0' {
            out.push_str(interner.text(pattern[at]));
            at += 1;
        } else {
            out.push(c);
        }
    }
    out
}

fn mix(p: usize, s: u32) -> u64 {
    let mut z = ((p as u64) << 32 | u64::from(s)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn need(wild: usize, constant: usize, marks: usize) -> f64 {
    let c = config();
    let k = c.k as f64 + 1.0;
    let known = constant as f64 + marks as f64 * c.marks;
    let wild = wild as f64;
    if known < 1.0 {
        return if wild > 1.0 { f64::INFINITY } else { k * c.n0 };
    }
    if wild > known {
        return k * c.n1;
    }
    if wild > 1.0 && wild * 2.0 > known {
        return k * c.n2;
    }
    k
}

/// One pattern under way: the rows it covers.
struct Item {
    row: Vec<u32>,
    members: Vec<usize>,
}

/// Rows of one length → patterns with the rows they cover.
fn saturate(rows: Vec<Vec<u32>>, marks: usize, wmax: usize) -> Vec<(Vec<u32>, Vec<usize>)> {
    let len = rows.first().map_or(0, Vec::len);
    let mut freq: FxHashMap<(u32, u32), u32> = FxHashMap::default();
    for row in &rows {
        for (p, s) in row.iter().enumerate() {
            *freq.entry((p as u32, *s)).or_default() += 1;
        }
    }
    let mut items: BTreeMap<Vec<u32>, Vec<usize>> = BTreeMap::new();
    for (i, row) in rows.into_iter().enumerate() {
        items.entry(row).or_default().push(i);
    }
    let mut width = 1;
    while width <= len.min(wmax) && items.len() > config().k {
        let next = widen(&items, &freq, width, marks);
        match next {
            Some(next) => {
                items = if config().absorb > 0 {
                    absorb(next, len)
                } else {
                    next
                };
                width = 1;
            }
            None => width += 1,
        }
    }
    items.into_iter().collect()
}

/// The key of a row less the positions `dropped`.
fn key_of(row: &[u32], total: u64, dropped: &[u32]) -> u64 {
    dropped.iter().fold(total, |key, &p| {
        key.wrapping_sub(mix(p as usize, row[p as usize]))
            .wrapping_add(mix(p as usize, WILD))
    })
}

fn widen(
    items: &BTreeMap<Vec<u32>, Vec<usize>>,
    freq: &FxHashMap<(u32, u32), u32>,
    width: usize,
    marks: usize,
) -> Option<BTreeMap<Vec<u32>, Vec<usize>>> {
    let c = config();
    let len = items.keys().next().map_or(0, Vec::len);
    // Candidate drops of each item.
    let mut buckets: FxHashMap<u64, Vec<u32>> = FxHashMap::default();
    let list: Vec<(&Vec<u32>, &Vec<usize>)> = items.iter().collect();
    let mut drops: Vec<Vec<u32>> = Vec::with_capacity(list.len());
    let mut totals = Vec::with_capacity(list.len());
    for (at, (row, _)) in list.iter().enumerate() {
        let total: u64 = row
            .iter()
            .enumerate()
            .fold(0, |a: u64, (p, s)| a.wrapping_add(mix(p, *s)));
        totals.push(total);
        let mut open: Vec<u32> = (0..len as u32)
            .filter(|p| row[*p as usize] != WILD)
            .collect();
        if width == 1 {
            for &p in &open {
                buckets
                    .entry(key_of(row, total, &[p]))
                    .or_default()
                    .push(at as u32);
            }
        } else if open.len() >= width {
            open.sort_by_key(|&p| (freq[&(p, row[p as usize])], p));
            open.truncate(width);
            open.sort_unstable();
            buckets
                .entry(key_of(row, total, &open))
                .or_default()
                .push(at as u32);
        }
        drops.push(open);
    }
    // Which keys are rich enough.
    let mut rich: FxHashMap<u64, u32> = FxHashMap::default();
    for (key, members) in &buckets {
        let (row, _) = list[members[0] as usize];
        let open = row.iter().filter(|s| **s != WILD).count();
        if (members.len() as f64) < need(width, open - width, marks) {
            continue;
        }
        let patterns = members
            .iter()
            .filter(|m| list[**m as usize].1.len() > c.k)
            .count();
        if width == 1 {
            if members.len() - patterns > c.k || members.len() > c.kb {
                rich.insert(*key, members.len() as u32);
            }
            continue;
        }
        let saturated = (0..width).all(|n| {
            let mut seen = FxHashSet::default();
            members.iter().any(|m| {
                let p = drops[*m as usize][n];
                seen.insert(list[*m as usize].0[p as usize]);
                seen.len() > c.k
            })
        });
        if saturated {
            rich.insert(*key, members.len() as u32);
        }
    }
    if rich.is_empty() {
        return None;
    }
    let mut next: BTreeMap<Vec<u32>, Vec<usize>> = BTreeMap::new();
    for (at, (row, members)) in list.iter().enumerate() {
        let mut pattern = (*row).clone();
        if width == 1 {
            let best = drops[at]
                .iter()
                .filter_map(|&p| {
                    rich.get(&key_of(row, totals[at], &[p]))
                        .map(|n| (*n, std::cmp::Reverse(p)))
                })
                .max();
            if let Some((_, p)) = best {
                pattern[p.0 as usize] = WILD;
            }
        } else if drops[at].len() == width
            && rich.contains_key(&key_of(row, totals[at], &drops[at]))
        {
            for &p in &drops[at] {
                pattern[p as usize] = WILD;
            }
        }
        next.entry(pattern)
            .or_default()
            .extend(members.iter().copied());
    }
    Some(next)
}

/// Gives each row that a wider one covers to the narrowest such.
fn absorb(items: BTreeMap<Vec<u32>, Vec<usize>>, len: usize) -> BTreeMap<Vec<u32>, Vec<usize>> {
    let mut masks: BTreeMap<Vec<u32>, FxHashMap<u64, &Vec<u32>>> = BTreeMap::new();
    let total = |row: &[u32]| {
        row.iter()
            .enumerate()
            .fold(0, |a: u64, (p, s)| a.wrapping_add(mix(p, *s)))
    };
    for row in items.keys() {
        let wild: Vec<u32> = (0..len as u32)
            .filter(|p| row[*p as usize] == WILD)
            .collect();
        if wild.is_empty() || (len - wild.len() == 0 && wild.len() > 1) {
            continue;
        }
        masks.entry(wild).or_default().insert(total(row), row);
    }
    let mut order: Vec<_> = masks.iter().collect();
    order.sort_by_key(|(wild, _)| wild.len());
    let mut to: FxHashMap<&Vec<u32>, &Vec<u32>> = FxHashMap::default();
    for row in items.keys() {
        let sum = total(row);
        for (wild, rows) in &order {
            let mut key = sum;
            let mut wider = false;
            for &p in wild.iter() {
                let s = row[p as usize];
                wider |= s != WILD;
                key = key
                    .wrapping_sub(mix(p as usize, s))
                    .wrapping_add(mix(p as usize, WILD));
            }
            if wider && let Some(target) = rows.get(&key) {
                to.insert(row, target);
                break;
            }
        }
    }
    let mut out: BTreeMap<Vec<u32>, Vec<usize>> = BTreeMap::new();
    for (row, members) in &items {
        let mut target = row;
        while let Some(next) = to.get(target) {
            target = next;
        }
        out.entry(target.clone())
            .or_default()
            .extend(members.iter().copied());
    }
    out
}
