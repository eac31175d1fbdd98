//! HTTP/2 by hand, frame by frame, and through a library for what only wants an answer.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::Runtime;

pub(crate) use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
    frame,
};
use super::wire::{Answer, connect};

pub(crate) const PRIORITY: u8 = 2;
pub(crate) const WINDOW_UPDATE: u8 = 8;

pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

impl Frame {
    /// The error code of a `GOAWAY` or `RST_STREAM`.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        self.payload.get(at..at + 4).map_or(u32::MAX, |code| u32::from_be_bytes(code.try_into().expect("four bytes")))
    }

    /// The status in an answer's HEADERS, of which the library writes it first.
    pub(crate) fn status(&self) -> u16 {
        const IN_TABLE: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        match self.payload.as_slice() {
            [first @ 0x88..=0x8e, ..] => IN_TABLE[usize::from(first - 0x88)],
            // A literal with the name of entry 8, in Huffman's code.
            [0x48, length, rest @ ..] if length & 0x80 != 0 => digits(&rest[..usize::from(length & 0x7f)]),
            _ => 0,
        }
    }
}

/// Three digits in the code of RFC 7541 appendix B: 0 to 2 have five bits, 3 to 9 six.
fn digits(bytes: &[u8]) -> u16 {
    let (mut bits, mut number, mut at) = (String::new(), 0, 0);
    for byte in bytes {
        let _ = write!(bits, "{byte:08b}");
    }
    for _ in 0..3 {
        let five = u16::from_str_radix(&bits[at..at + 5], 2).expect("bits");
        let (digit, length) =
            if five < 3 { (five, 5) } else { (u16::from_str_radix(&bits[at..at + 6], 2).expect("bits") - 22, 6) };
        number = number * 10 + digit;
        at += length;
    }
    number
}

/// A header block of literals that nobody keeps (RFC 7541 §6.2.2), none of them in Huffman's code.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    block
}

/// A literal that goes into the table, where it is entry 62 until the next one.
pub(crate) fn kept(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0x40];
    text(&mut field, name);
    text(&mut field, value);
    field
}

fn text(block: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 127 {
        block.push(u8::try_from(length).expect("small"));
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push(u8::try_from(length % 128 + 128).expect("a byte"));
            length /= 128;
        }
        block.push(u8::try_from(length).expect("small"));
    }
    block.extend_from_slice(text.as_bytes());
}

/// The pseudo fields of a GET, and more.
pub(crate) fn get(authority: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let usual = [(":method", "GET"), (":scheme", "http"), (":authority", authority), (":path", path)];
    block(&[&usual[..], more].concat())
}

/// A connection whose frames are made by hand. Its preface is sent.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Raw {
    /// With no settings of its own.
    pub(crate) fn open(to: SocketAddr) -> Self {
        Self::with_settings(to, &[])
    }

    pub(crate) fn with_settings(to: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        let mut raw = Self { stream: connect(to), buffer: Vec::new() };
        raw.send(PREFACE);
        raw.send(&frame(SETTINGS, 0, 0, &payload));
        raw
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    /// Sends as much as the other side takes; whether that was all.
    pub(crate) fn flood(&mut self, bytes: &[u8]) -> bool {
        self.stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        self.stream.write_all(bytes).is_ok()
    }

    pub(crate) fn headers(&mut self, stream: u32, flags: u8, block: &[u8]) {
        self.send(&frame(HEADERS, flags, stream, block));
    }

    /// The next frame; `None` at the end, or when nothing comes for a while.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(head) = self.buffer.get(..9) {
                let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
                if self.buffer.len() >= 9 + length {
                    let rest = self.buffer.split_off(9 + length);
                    let whole = std::mem::replace(&mut self.buffer, rest);
                    let stream = u32::from_be_bytes(whole[5..9].try_into().expect("four bytes")) & 0x7fff_ffff;
                    return Some(Frame { kind: whole[3], flags: whole[4], stream, payload: whole[9..].to_vec() });
                }
            }
            let mut part = [0; 16384];
            match self.stream.read(&mut part) {
                Ok(count) if count > 0 => self.buffer.extend_from_slice(&part[..count]),
                _ => return None,
            }
        }
    }

    /// The next frame of a kind, on a stream; others are skipped.
    pub(crate) fn wait(&mut self, kind: u8, stream: u32) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if frame.kind == kind && frame.stream == stream {
                return Some(frame);
            }
        }
    }

    /// Everything until the other side closes.
    pub(crate) fn rest(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// The status of an answer to a request; 0 if it gets none.
    pub(crate) fn ask(&mut self, stream: u32, block: &[u8]) -> u16 {
        self.headers(stream, END_HEADERS | END_STREAM, block);
        let ends = |frame: &Frame| frame.stream == stream && matches!(frame.kind, HEADERS | RST_STREAM);
        let end = std::iter::from_fn(|| self.next()).find(ends);
        end.filter(|frame| frame.kind == HEADERS).map_or(0, |frame| frame.status())
    }
}

/// A caller with a library that is the usual one.
pub(crate) struct Client {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    pub(crate) scheme: &'static str,
}

impl Client {
    /// In the clear, by prior knowledge.
    pub(crate) fn open(to: SocketAddr) -> Self {
        let stream = connect(to);
        stream.set_nonblocking(true).expect("a socket");
        let runtime = runtime();
        let sender =
            runtime.block_on(async { started(tokio::net::TcpStream::from_std(stream).expect("a socket")).await });
        Self { runtime, sender, authority: to.to_string(), scheme: "http" }
    }

    /// With TLS, if HTTP/2 can be agreed on.
    pub(crate) fn with_tls(to: SocketAddr, name: &str, config: rustls::ClientConfig) -> Self {
        let stream = connect(to);
        stream.set_nonblocking(true).expect("a socket");
        let runtime = runtime();
        let sender = runtime.block_on(async {
            let name = rustls::pki_types::ServerName::try_from(name.to_owned()).expect("a name");
            let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
            let stream = tokio::net::TcpStream::from_std(stream).expect("a socket");
            let stream = connector.connect(name, stream).await.expect("a handshake");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            started(stream).await
        });
        Self { runtime, sender, authority: to.to_string(), scheme: "https" }
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
        let uri = format!("{}://{}{path}", self.scheme, self.authority);
        let mut request = Request::builder().method(method).uri(uri).version(Version::HTTP_2);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).expect("a request");
        let sender = &mut self.sender;
        let asking = async move {
            let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
            let collected = body.collect().await;
            let broken = collected.is_err();
            let (trailers, body) =
                collected.map_or((None, Bytes::new()), |all| (all.trailers().cloned(), all.to_bytes()));
            let text = |map: &hyper::HeaderMap| {
                map.iter()
                    .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                    .collect::<Vec<_>>()
            };
            Answer {
                status: head.status.as_u16(),
                head: format!("{head:?}"),
                headers: text(&head.headers),
                body: body.to_vec(),
                rest: Vec::new(),
                broken,
                trailers: trailers.map(|map| format!("{:?}", text(&map))).unwrap_or_default(),
            }
        };
        self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(8), asking).await.expect("in time") })
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn started<S>(stream: S) -> SendRequest<Full<Bytes>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(async move {
        let _ = connection.await;
    });
    sender
}
