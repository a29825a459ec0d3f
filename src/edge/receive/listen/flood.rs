//! Closes a connection that keeps us busy with HTTP/2 frames that carry nothing.
//!
//! h2 itself ends rapid resets and header floods; PING, SETTINGS, PRIORITY, WINDOW_UPDATE, unknown
//! and empty DATA frames it answers or skips for ever. Each of them costs a point here; requests
//! and data earn some.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Points to begin with, and at most.
const POINTS_MAX: u32 = 2_000;
/// Points that come back in a second.
const POINTS_PER_SECOND: u32 = 200;
/// Points that a request earns: its window updates and the pings that measure its road.
const POINTS_PER_REQUEST: u32 = 8;
/// Bytes of data that earn a point.
const BYTES_PER_POINT: u32 = 1 << 10;
/// How an HTTP/2 connection begins.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length, type, flags and stream of a frame.
const FRAME_HEAD_LEN: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// Looks at what is read and lets it pass, until there is too much of nothing.
pub(super) struct FloodGuard<T> {
    stream: T,
    meter: Meter,
}

/// Whether a connection was ended by the guard.
pub(super) fn is_flood(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::QuotaExceeded
}

impl<T> FloodGuard<T> {
    pub(super) fn new(stream: T) -> Self {
        Self {
            stream,
            meter: Meter::new(Instant::now()),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FloodGuard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        std::task::ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        match this.meter.read(read, Instant::now) {
            true => Poll::Ready(Ok(())),
            false => Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into())),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FloodGuard<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Follows the frames of one direction of a connection.
struct Meter {
    place: Place,
    points: u32,
    refilled: Instant,
    data_bytes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// So many bytes of the preface have come.
    Preface(usize),
    /// It is HTTP/1.1: there are no frames.
    NoFrames,
    /// So many bytes of a frame's head have come.
    Head([u8; FRAME_HEAD_LEN], usize),
    /// So many bytes of a frame are to come.
    Inside(usize),
}

impl Meter {
    fn new(now: Instant) -> Self {
        Self {
            place: Place::Preface(0),
            points: POINTS_MAX,
            refilled: now,
            data_bytes: 0,
        }
    }

    /// Follows `bytes`; whether the connection may go on.
    fn read(&mut self, mut bytes: &[u8], now: impl Fn() -> Instant) -> bool {
        while let Some(&first) = bytes.first() {
            match self.place {
                Place::NoFrames => return true,
                Place::Preface(at) => {
                    self.place = match PREFACE.get(at) {
                        Some(expected) if *expected == first => Place::Preface(at + 1),
                        _ => Place::NoFrames,
                    };
                    if self.place == Place::Preface(PREFACE.len()) {
                        self.place = Place::Head([0; FRAME_HEAD_LEN], 0);
                    }
                    bytes = bytes.get(1..).unwrap_or_default();
                }
                Place::Head(mut head, at) => {
                    let wanted = bytes.len().min(FRAME_HEAD_LEN - at);
                    let (part, rest) = bytes.split_at(wanted);
                    if let Some(place) = head.get_mut(at..at + wanted) {
                        place.copy_from_slice(part);
                    }
                    bytes = rest;
                    self.place = Place::Head(head, at + wanted);
                    if at + wanted == FRAME_HEAD_LEN && !self.frame(head, &now) {
                        return false;
                    }
                }
                Place::Inside(left) => {
                    let passed = left.min(bytes.len());
                    bytes = bytes.get(passed..).unwrap_or_default();
                    self.place = match left - passed {
                        0 => Place::Head([0; FRAME_HEAD_LEN], 0),
                        left => Place::Inside(left),
                    };
                }
            }
        }
        true
    }

    fn frame(&mut self, head: [u8; FRAME_HEAD_LEN], now: impl Fn() -> Instant) -> bool {
        let [a, b, c, kind, ..] = head;
        let len = u32::from_be_bytes([0, a, b, c]);
        self.place = match len {
            0 => Place::Head([0; FRAME_HEAD_LEN], 0),
            len => Place::Inside(len as usize),
        };
        match (kind, len) {
            (DATA, 1..) => {
                self.data_bytes += len;
                self.earn(self.data_bytes / BYTES_PER_POINT);
                self.data_bytes %= BYTES_PER_POINT;
            }
            (HEADERS, _) => self.earn(POINTS_PER_REQUEST),
            _ => {
                if self.points == 0 {
                    let now = now();
                    let seconds = now.duration_since(self.refilled).as_secs_f32();
                    // At most POINTS_MAX, so nothing is cut off.
                    self.earn((seconds * POINTS_PER_SECOND as f32).min(POINTS_MAX as f32) as u32);
                    self.refilled = now;
                }
                match self.points.checked_sub(1) {
                    Some(points) => self.points = points,
                    None => return false,
                }
            }
        }
        true
    }

    fn earn(&mut self, points: u32) {
        self.points = self.points.saturating_add(points).min(POINTS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, len: usize) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(len).unwrap().to_be_bytes();
        let mut frame = vec![a, b, c, kind, 0, 0, 0, 0, 1];
        frame.resize(FRAME_HEAD_LEN + len, 0);
        frame
    }

    /// How many of `frames` pass when they come in pieces of `piece` bytes.
    fn passed(frames: &[Vec<u8>], piece: usize) -> usize {
        let now = Instant::now();
        let mut meter = Meter::new(now);
        assert!(meter.read(PREFACE, || now));
        let ends = frames.iter().scan(0, |end, frame| {
            *end += frame.len();
            Some(*end)
        });
        let ends: Vec<usize> = ends.collect();
        let mut read = 0;
        for piece in frames.concat().chunks(piece) {
            if !meter.read(piece, || now) {
                break;
            }
            read += piece.len();
        }
        ends.iter().filter(|end| **end <= read).count()
    }

    #[tokio::test]
    async fn a_flood_is_cut_off_however_its_bytes_are_split() {
        let flood = vec![frame(PING, 8); 10_000];
        for piece in [1, 7, 17, 4096] {
            let passed = passed(&flood, piece);
            assert!((1_700..=2_000).contains(&passed), "{passed} in {piece}s");
        }
        let empty = vec![frame(DATA, 0); 10_000];
        assert!(passed(&empty, 9) <= 2_000);
    }

    #[tokio::test]
    async fn a_busy_sender_with_its_pings_and_window_updates_is_not() {
        let request = [
            frame(HEADERS, 40),
            frame(DATA, 500),
            frame(8, 4),
            frame(8, 4),
            frame(PING, 8),
        ];
        let requests: Vec<_> = std::iter::repeat_n(request, 5_000).flatten().collect();
        assert_eq!(passed(&requests, 1_000), requests.len());
    }

    #[tokio::test]
    async fn http_1_is_left_alone() {
        let now = Instant::now();
        let mut meter = Meter::new(now);
        assert!(meter.read(b"POST /v1/logs HTTP/1.1\r\n", || now));
        assert_eq!(meter.place, Place::NoFrames);
        assert!(meter.read(&frame(PING, 8).repeat(5_000), || now));
    }

    #[tokio::test]
    async fn points_come_back_with_time() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        assert!(meter.read(PREFACE, || start));
        let pings = frame(PING, 8).repeat(2_000);
        assert!(meter.read(&pings, || start));
        let later = start + std::time::Duration::from_secs(10);
        assert!(meter.read(&pings, || later));
        assert!(!meter.read(&frame(PING, 8), || later));
    }
}
