//! What stands around the gateway in tests: an app that records bytes, a platform shaped by the official SDK's types, a
//! client that sends exactly what it is given, and the gateway itself as its own process.

mod app;
mod certificates;
mod frames;
mod gateway;
pub(crate) mod h2;
mod inside;
pub(crate) mod jwt;
mod platform;
mod process;
mod rsa;
mod token;
mod upstream;
mod wire;

pub(crate) use app::{App, AppAnswer, text};
pub(crate) use certificates::{Authority, Issued};
pub(crate) use frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, FrameApp, HEADERS, RST_STREAM, STATUS_200, Wire};
pub(crate) use gateway::{ADMIN_TOKEN, SESSION_KEY};
pub(crate) use gateway::{Gateway, Setup, free_port};
pub(crate) use inside::Inside;
pub(crate) use platform::{PORTAL, Platform};
pub(crate) use process::{Peer, node, output_of, python_tool, python_with_packages, root, tool};
pub(crate) use rsa::Rsa;
pub(crate) use token::{API_KEY, CLIENT, COMPANY, OTHER_TENANT, STAFF, TENANT, Token};
pub(crate) use upstream::{Seen, Upstream, answer as answer_with};
pub(crate) use wire::{Answer, connect, exchange, read_to_end, read_until, request};
