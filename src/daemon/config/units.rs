//! Sizes, durations and shares as people write them: `64MiB`, `5m`, `80%`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

/// A number of bytes, written `512`, `64KiB`, `1.5GiB`, `20MB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

/// What a unit stands for, the largest power of 1024 last, so that `Display` finds it first in
/// reverse.
const BYTE_UNITS: [(&str, u64); 10] = [
    ("b", 1),
    ("", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

impl ByteSize {
    /// `n` bytes.
    pub const fn bytes(n: u64) -> Self {
        Self(n)
    }

    /// `n` times 1024 bytes.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// `n` times 1024² bytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// The number of bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory.
    pub fn as_len(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || format!("{text:?} is not a size; write it as 64MiB, 512KiB or 2GB");
        let trimmed = text.trim();
        let split = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let number: f64 = number.parse().map_err(|_| refused())?;
        let unit = unit.trim().to_ascii_lowercase();
        let (_, factor) = BYTE_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(refused)?;
        let bytes = number * *factor as f64;
        // Beyond 2^53 a float no longer holds every whole number of bytes.
        if bytes > 9e15 {
            return Err(refused());
        }
        Ok(Self(bytes.round() as u64))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, factor) in [
            ("TiB", 1_u64 << 40),
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
        ] {
            if self.0 >= factor && self.0.is_multiple_of(factor) {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// A length of time, written `250ms`, `3s`, `5m`, `24h`, `1h 30m`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

impl Period {
    /// `n` seconds.
    pub const fn seconds(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// As the standard library's type.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Period {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || format!("{text:?} is not a duration; write it as 250ms, 3s, 5m or 24h");
        let read: jiff::SignedDuration = text.parse().map_err(|_| refused())?;
        Duration::try_from(read).map(Self).map_err(|_| refused())
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::SignedDuration::try_from(self.0) {
            Ok(duration) => write!(f, "{duration:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

/// How much memory the daemon may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryLimit {
    /// 80 % of what its cgroup grants; without a cgroup limit 25 % of the machine.
    #[default]
    Auto,
    /// A number of bytes.
    Bytes(ByteSize),
    /// A share, 1 to 100 %, of what its cgroup grants, else of the machine.
    Percent(u8),
}

impl FromStr for MemoryLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || format!("{text:?} is not a memory limit; write it as 512MiB, 80% or auto");
        if text.trim() == "auto" {
            return Ok(Self::Auto);
        }
        if let Some(share) = text.trim().strip_suffix('%') {
            let share: u8 = share.trim().parse().map_err(|_| refused())?;
            return (1..=100)
                .contains(&share)
                .then_some(Self::Percent(share))
                .ok_or_else(refused);
        }
        text.parse().map(Self::Bytes).map_err(|_| refused())
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Bytes(size) => size.fmt(f),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

/// Reads a value through `FromStr`, so that a complaint comes in our words.
struct Written<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number with a unit, such as 64MiB or 5m")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }
}

macro_rules! deserialize_as_written {
    ($($unit:ty),*) => {$(
        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Written(std::marker::PhantomData))
            }
        }
    )*};
}
deserialize_as_written!(ByteSize, Period, MemoryLimit);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown_as_written() {
        for (text, bytes) in [
            ("0", 0),
            ("64KiB", 65_536),
            ("1.5 GiB", 1_610_612_736),
            ("20MB", 20_000_000),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize::bytes(bytes)), "{text}");
        }
        for text in ["64MiB", "1GiB", "1000"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        for text in ["", "-1", "MiB", "64 parsecs", "1e9", "99999999TiB", "1.2.3"] {
            let refused = text.parse::<ByteSize>().unwrap_err();
            assert!(
                refused.contains("64MiB"),
                "says what would be accepted: {refused}"
            );
        }
    }

    #[test]
    fn durations_are_read_and_shown_as_written() {
        for (text, millis) in [
            ("250ms", 250),
            ("3s", 3_000),
            ("5m", 300_000),
            ("1h 30m", 5_400_000),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.get().as_millis(), millis);
            assert_eq!(period.to_string(), text);
        }
        assert_eq!("24h".parse(), Ok(Period::seconds(86_400)));
        for text in ["", "5", "-3s", "soon"] {
            assert!(text.parse::<Period>().unwrap_err().contains("5m"), "{text}");
        }
    }

    #[test]
    fn a_memory_limit_is_a_size_a_share_or_automatic() {
        assert_eq!("80%".parse(), Ok(MemoryLimit::Percent(80)));
        assert_eq!("512MiB".parse(), Ok(MemoryLimit::Bytes(ByteSize::mib(512))));
        assert_eq!("auto".parse(), Ok(MemoryLimit::Auto));
        for text in ["0%", "101%", "-5%", "much"] {
            assert!(text.parse::<MemoryLimit>().is_err(), "{text}");
        }
    }
}
