//! HTTP/1.1 as bytes.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No test waits longer for anything.
const LIMIT: Duration = Duration::from_secs(8);

/// An answer as it came, the first one on its connection.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Without chunk framing.
    pub(crate) body: Vec<u8>,
    /// What came behind the answer.
    pub(crate) rest: Vec<u8>,
    /// Chunked and without a last chunk, or shorter than its length.
    pub(crate) broken: bool,
    pub(crate) trailers: String,
}

impl Answer {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Self {
                status: 0,
                head: String::new(),
                headers: Vec::new(),
                body: Vec::new(),
                rest: bytes.to_vec(),
                broken: true,
                trailers: String::new(),
            };
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let pair =
            |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let headers: Vec<_> = head.split("\r\n").skip(1).filter_map(pair).collect();
        let mut answer =
            Self { status, head, headers, body: Vec::new(), rest: Vec::new(), broken: false, trailers: String::new() };
        answer.read_body(&bytes[end + 4..]);
        answer
    }

    fn read_body(&mut self, bytes: &[u8]) {
        if self.header("transfer-encoding") == "chunked" {
            return self.read_chunks(bytes);
        }
        let bodyless = matches!(self.status, 100..=199 | 204 | 304);
        let length = if bodyless { 0 } else { self.header("content-length").parse().unwrap_or(bytes.len()) };
        self.broken = length > bytes.len();
        let length = length.min(bytes.len());
        (self.body, self.rest) = (bytes[..length].to_vec(), bytes[length..].to_vec());
    }

    fn read_chunks(&mut self, mut bytes: &[u8]) {
        self.broken = true;
        while let Some(line) = bytes.windows(2).position(|window| window == b"\r\n") {
            let size = std::str::from_utf8(&bytes[..line]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
            let Some(size) = size else { return };
            bytes = &bytes[line + 2..];
            if size == 0 {
                let end = bytes.windows(2).position(|window| window == b"\r\n").map_or(0, |at| {
                    if at == 0 { 2 } else { bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4) }
                });
                String::from_utf8_lossy(&bytes[..end]).trim().clone_into(&mut self.trailers);
                self.rest = bytes[end..].to_vec();
                self.broken = end == 0;
                return;
            }
            let Some(chunk) = bytes.get(..size) else { return };
            self.body.extend_from_slice(chunk);
            bytes = bytes.get(size + 2..).unwrap_or_default();
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn code(&self) -> &str {
        self.header("x-vestibule-error")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The `name=value` of the session cookie that was set.
    pub(crate) fn cookie(&self) -> String {
        let cookie = self.all("set-cookie").into_iter().find(|cookie| cookie.starts_with("__Host-vestibule."));
        cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or_default().to_owned()
    }

    pub(crate) fn without_volatile(&self) -> (u16, Vec<(String, String)>, String) {
        let stable = |(name, _): &&(String, String)| name != "date" && name != "x-request-id";
        let headers = self.headers.iter().filter(stable).cloned().collect();
        (self.status, headers, self.text().replace(self.header("x-request-id"), "ID"))
    }
}

/// The bytes of a request; lines are `Name: value`. A `Connection: close` is added if none is there.
pub(crate) fn request(method: &str, target: &str, host: &str, lines: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    let has = |name: &str| lines.iter().any(|line| line.to_ascii_lowercase().starts_with(name));
    if !has("connection:") {
        head.push_str("Connection: close\r\n");
    }
    if !body.is_empty() && !has("transfer-encoding:") && !has("content-length:") {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// Sends bytes and reads everything until the other side closes.
pub(crate) fn exchange(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(to);
    // The other side may answer and close before everything is sent.
    let _ = stream.write_all(bytes);
    read_to_end(&mut stream)
}

pub(crate) fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("the address listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    stream.set_write_timeout(Some(LIMIT)).expect("a timeout");
    stream
}

/// The first answer of a connection that stays open behind it.
pub(crate) fn read_answer(stream: &mut impl Read) -> Answer {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let answer = Answer::read(&bytes);
        if !answer.broken {
            return answer;
        }
        match stream.read(&mut part) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&part[..count]),
            _ => return answer,
        }
    }
}

/// Everything until the end, a reset, or the limit.
pub(crate) fn read_to_end(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

/// Reads until `enough` has come, or nothing more comes.
pub(crate) fn read_until(stream: &mut impl Read, enough: &[u8]) -> Vec<u8> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    while !bytes.windows(enough.len()).any(|window| window == enough) {
        match stream.read(&mut part) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&part[..count]),
            _ => break,
        }
    }
    bytes
}
