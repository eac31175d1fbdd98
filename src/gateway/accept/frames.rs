//! Where the bytes of an HTTP/2 caller stand: between two frames, or inside of something that has to be finished.
//!
//! The library waits for the rest of a preface, a frame or a header block for as long as the caller likes, and for the
//! next request too. Here both are seen from the lengths of frames alone; what is in them stays the library's affair.

use tokio::time::Instant;

use super::activity::Activity;
use super::timed::Times;

/// What a caller of HTTP/2 sends first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The nine bytes in front of every frame (RFC 9113 §4.1): three of length, type, flags, four of stream.
const HEAD: usize = 9;
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// Reads frames by their length.
#[derive(Debug)]
struct Frames {
    /// Bytes of the preface that are still to come.
    preface: usize,
    head: [u8; HEAD],
    /// Bytes of the head that are there.
    have: usize,
    /// Bytes of the payload that are still to come.
    left: usize,
    /// The type of the last frame; none before the first, which belongs to the preface.
    kind: Option<u8>,
    /// Whether a header block has begun and not ended.
    block: bool,
}

/// What an HTTP/2 connection waits for, and since when.
#[derive(Debug)]
pub(super) struct Conversation {
    frames: Frames,
    incomplete_since: Option<Instant>,
    idle_since: Option<Instant>,
    /// Streams that had begun when it was last looked at.
    begun: u64,
    /// Whether the caller was told that the connection ends.
    told: bool,
}

impl Frames {
    const fn new() -> Self {
        Self { preface: PREFACE.len(), head: [0; HEAD], have: 0, left: 0, kind: None, block: false }
    }

    fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = bytes.len().min(self.preface.max(self.left));
            if skipped > 0 {
                self.preface = self.preface.saturating_sub(skipped);
                self.left = self.left.saturating_sub(skipped);
                bytes = &bytes[skipped..];
                continue;
            }
            let (part, rest) = bytes.split_at(bytes.len().min(HEAD - self.have));
            self.head[self.have..self.have + part.len()].copy_from_slice(part);
            self.have += part.len();
            bytes = rest;
            if self.have == HEAD {
                self.begin();
            }
        }
    }

    fn begin(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.head;
        self.have = 0;
        self.left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.kind = Some(kind);
        if matches!(kind, HEADERS | CONTINUATION) {
            self.block = flags & END_HEADERS == 0;
        }
    }

    /// Whether the caller owes the rest of something. The rest of a body has limits of its own.
    fn is_incomplete(&self) -> bool {
        let inside = self.have > 0 || (self.left > 0 && self.kind != Some(DATA));
        inside || self.block || self.kind.is_none()
    }
}

impl Conversation {
    /// One whose preface has to come from now on.
    pub(super) fn new() -> Self {
        Self { frames: Frames::new(), incomplete_since: Some(Instant::now()), idle_since: None, begun: 0, told: false }
    }

    /// What the caller sent.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.frames.advance(bytes);
        self.incomplete_since = match self.incomplete_since {
            _ if !self.frames.is_incomplete() => None,
            None => Some(Instant::now()),
            since => since,
        };
    }

    /// Until when the connection may go on as it is. Frames that ask for nothing, such as pings, do not make it less idle.
    pub(super) fn until(&mut self, activity: &Activity, times: &Times) -> Option<Instant> {
        let begun = activity.begun();
        if activity.is_busy() {
            self.idle_since = None;
        } else if self.idle_since.is_none() || begun != self.begun {
            self.idle_since = Some(Instant::now());
            self.told = false;
        }
        self.begun = begun;
        let incomplete = self.incomplete_since.map(|since| since + times.head);
        // Whoever was told that it is over may still have sent a request meanwhile.
        let grace = if self.told { times.head } else { std::time::Duration::ZERO };
        let idle = self.idle_since.map(|since| since + times.keep_alive + grace);
        [incomplete, idle].into_iter().flatten().min()
    }

    /// The time that `until` gave is over. Whether the caller has yet to be told, and then has a moment.
    pub(super) fn ends_politely(&mut self) -> bool {
        let incomplete = self.incomplete_since.is_some();
        !incomplete && !std::mem::replace(&mut self.told, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("short");
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// Whether the caller owes something after each of the parts.
    fn owes(parts: &[&[u8]]) -> Vec<bool> {
        let mut frames = Frames::new();
        let owes = |part: &&[u8]| {
            frames.advance(part);
            frames.is_incomplete()
        };
        parts.iter().map(owes).collect()
    }

    #[test]
    fn a_preface_ends_with_its_settings() {
        let settings = frame(0x4, 0, &[0; 6]);
        assert_eq!(owes(&[b"PRI * HT", &PREFACE[8..], &settings[..12], &settings[12..]]), [true, true, true, false]);
        let whole = [&PREFACE[..], &settings].concat();
        assert_eq!(owes(&[&whole]), [false]);
    }

    #[test]
    fn a_header_block_is_owed_until_its_last_frame_and_a_body_is_not() {
        let start = [&PREFACE[..], &frame(0x4, 0, b"")].concat();
        let headers = frame(HEADERS, 0x1, b"abc");
        let more = frame(CONTINUATION, 0, b"");
        let last = frame(CONTINUATION, END_HEADERS, b"d");
        let data = frame(DATA, 0, b"12345");
        let parts: [&[u8]; 6] = [&start, &headers, &more, &last, &data[..4], &data[4..11]];
        assert_eq!(owes(&parts), [false, true, true, false, true, false]);
        let one_by_one = [start, headers, more, last].concat();
        let bytes: Vec<&[u8]> = one_by_one.chunks(1).collect();
        assert_eq!(owes(&bytes).last(), Some(&false));
    }
}
