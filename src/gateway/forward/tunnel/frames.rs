//! Where WebSocket frames begin and end (RFC 6455 §5.2), and nothing else of them.
//!
//! Lengths are read whatever the other bits say: extensions may use the reserved ones, and none changes the framing.

/// How far one direction of a tunnel has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    /// The bytes of a header that has not come in full.
    header: [u8; 14],
    have: usize,
    payload_left: u64,
    closing: bool,
}

const OPCODE: u8 = 0x0f;
const CLOSE: u8 = 0x08;
const FINAL_CLOSE: u8 = 0x88;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
/// The length is in the next two bytes.
const SHORT: u8 = 0x7e;
/// The length is in the next eight bytes.
const LONG: u8 = 0x7f;

impl Frames {
    /// Notes what has passed.
    pub(super) fn passed(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.payload_left > 0 {
                let count = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(bytes.len());
                self.payload_left -= count as u64;
                bytes = &bytes[count..];
                continue;
            }
            self.header[self.have] = first;
            self.have += 1;
            bytes = rest;
            if self.have == self.header_length() {
                self.payload_left = self.length();
                self.closing |= self.header[0] & OPCODE == CLOSE;
                self.have = 0;
            }
        }
    }

    /// Bytes that are certain to belong to the frame that has begun; 0 between two frames.
    pub(super) fn left(&self) -> usize {
        if self.payload_left > 0 {
            return usize::try_from(self.payload_left).unwrap_or(usize::MAX);
        }
        if self.have == 0 { 0 } else { self.header_length() - self.have }
    }

    /// Whether a Close frame has passed in full. Nothing may follow it (RFC 6455 §5.5.1).
    pub(super) fn is_closed(&self) -> bool {
        self.closing && self.left() == 0
    }

    /// As far as it can be known: the second byte says how long the header is.
    fn header_length(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let extended = match self.header[1] & LENGTH {
            SHORT => 2,
            LONG => 8,
            _ => 0,
        };
        2 + extended + if self.header[1] & MASKED == 0 { 0 } else { 4 }
    }

    fn length(&self) -> u64 {
        let extended = |count: usize| self.header[2..2 + count].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        match self.header[1] & LENGTH {
            SHORT => extended(2),
            LONG => extended(8),
            length => u64::from(length),
        }
    }
}

/// A Close frame. What goes to a server is masked (RFC 6455 §5.3). The reason is at most 123 bytes long, as it has to be.
pub(super) fn close(code: u16, reason: &'static str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let payload: Vec<u8> = code.to_be_bytes().iter().chain(reason.as_bytes()).copied().take(125).collect();
    let length = u8::try_from(payload.len()).expect("at most 125");
    let mut frame = vec![FINAL_CLOSE, length | mask.map_or(0, |_| MASKED)];
    match mask {
        None => frame.extend_from_slice(&payload),
        Some(mask) => {
            frame.extend_from_slice(&mask);
            frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
    }
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame of this first byte, masked or not, in the shortest of the three forms of its length or in a longer one.
    fn frame(first: u8, length: usize, masked: bool, form: usize) -> Vec<u8> {
        let bit = if masked { MASKED } else { 0 };
        let mut bytes = match (length, form) {
            (0..=125, 0) => vec![first, bit | u8::try_from(length).expect("short")],
            (0..=0xffff, 0 | 1) => {
                [&[first, bit | SHORT][..], &u16::try_from(length).expect("two").to_be_bytes()].concat()
            }
            _ => [&[first, bit | LONG][..], &(length as u64).to_be_bytes()].concat(),
        };
        bytes.extend(std::iter::repeat_n(0x88, length + if masked { 4 } else { 0 }));
        bytes
    }

    proptest! {
        #[test]
        fn the_boundary_is_found_however_the_bytes_come(
            parts in prop::collection::vec((any::<u8>(), 0_usize..70_000, any::<bool>(), 0_usize..3), 1..6),
            step in 1_usize..9000,
        ) {
            let mut frames = Frames::default();
            for (first, length, masked, form) in parts {
                let bytes = frame(first, length, masked, form);
                let mut sent = 0;
                for part in bytes.chunks(step) {
                    frames.passed(part);
                    sent += part.len();
                    let left = frames.left();
                    prop_assert_eq!(left == 0, sent == bytes.len());
                    prop_assert!(sent + left <= bytes.len());
                }
            }
        }
    }

    #[test]
    fn a_close_frame_is_seen_when_it_is_complete_and_no_other_is_taken_for_one() {
        for first in [0x81, 0x02, 0x00, 0x89, 0x8a, 0xc1] {
            let mut frames = Frames::default();
            frames.passed(&frame(first, 300, true, 0));
            assert!(!frames.is_closed() && frames.left() == 0, "{first:x}");
        }
        let mut frames = Frames::default();
        let close = close(4401, "session_over", None);
        frames.passed(&close[..close.len() - 1]);
        assert!(!frames.is_closed() && frames.left() == 1);
        frames.passed(&close[close.len() - 1..]);
        assert!(frames.is_closed());
    }

    #[test]
    fn an_endless_frame_has_no_boundary_and_no_overflow() {
        let mut frames = Frames::default();
        frames.passed(&[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3]);
        assert!(frames.left() > 1 << 30 && !frames.is_closed());
    }

    #[test]
    fn a_masked_close_says_the_same_as_a_plain_one() {
        let plain = close(1001, "stopping", None);
        assert_eq!(plain, b"\x88\x0a\x03\xe9stopping");
        let masked = close(1001, "stopping", Some([1, 2, 3, 4]));
        assert_eq!(masked[..6], [0x88, 0x8a, 1, 2, 3, 4]);
        let unmasked: Vec<u8> = masked[6..].iter().enumerate().map(|(at, byte)| byte ^ [1, 2, 3, 4][at % 4]).collect();
        assert_eq!(unmasked, plain[2..]);
    }
}
