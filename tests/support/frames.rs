//! Frames of HTTP/2 made by hand (RFC 9113 §4.1), and an app that sends them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const ACK: u8 = 1;

/// `:status: 200` of the static table (RFC 7541 §6.1).
pub(crate) const STATUS_200: &[u8] = &[0x88];

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The connection as a script has it.
pub(crate) struct Wire {
    stream: TcpStream,
    /// How many connections there were before.
    pub(crate) connection: usize,
}

pub(crate) struct FrameApp {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl FrameApp {
    /// Runs a script for each connection, after the preface of both sides. The connection is closed when it returns.
    pub(crate) fn start(script: impl Fn(&mut Wire) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::<AtomicUsize>::default();
        let (count, script) = (Arc::clone(&connections), Arc::new(script));
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let script = Arc::clone(&script);
                let connection = count.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
                    let mut preface = [0; PREFACE.len()];
                    if stream.read_exact(&mut preface).is_ok() && preface == PREFACE {
                        let mut wire = Wire { stream, connection };
                        wire.send(SETTINGS, 0, 0, b"");
                        script(&mut wire);
                    }
                });
            }
        });
        Self { address, connections }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Wire {
    /// Whether it could be sent.
    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.stream.write_all(&frame(kind, flags, stream, payload)).is_ok()
    }

    /// 200, and a part of its body.
    pub(crate) fn begin_answer(&mut self, stream: u32) {
        self.send(HEADERS, END_HEADERS, stream, STATUS_200);
        self.send(DATA, 0, stream, b"12345");
    }

    /// 200 and `ok`.
    pub(crate) fn answer(&mut self, stream: u32) {
        self.send(HEADERS, END_HEADERS, stream, STATUS_200);
        self.send(DATA, END_STREAM, stream, b"ok");
    }

    /// The last stream that counts, and a reason.
    pub(crate) fn go_away(&mut self, last: u32, reason: u32) {
        self.send(GOAWAY, 0, 0, &[last.to_be_bytes(), reason.to_be_bytes()].concat());
    }

    pub(crate) fn reset(&mut self, stream: u32, reason: u32) {
        self.send(RST_STREAM, 0, stream, &reason.to_be_bytes());
    }

    /// The next frame of this kind, answering what has to be answered meanwhile; `None` when nothing more comes.
    pub(crate) fn next(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.read()?;
            match frame.kind {
                _ if frame.kind == kind => return Some(frame),
                SETTINGS if frame.flags & ACK == 0 => {
                    self.send(SETTINGS, ACK, 0, b"");
                }
                PING if frame.flags & ACK == 0 => {
                    self.send(PING, ACK, 0, &frame.payload);
                }
                _ => {}
            }
        }
    }

    /// The stream of the next request.
    pub(crate) fn request(&mut self) -> Option<u32> {
        self.next(HEADERS).map(|frame| frame.stream)
    }

    fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("24 bits")];
        self.stream.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }
}
