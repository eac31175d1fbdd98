//! Vestibule: an auth gateway in front of apps that a host platform embeds in an iframe.
//!
//! In reading order: [`access`] is the vocabulary and the rule; [`hosts`] prove who is calling; [`session`] keeps that
//! proof in a cookie; [`grants`] know what people hold; [`gateway`] is the path of a request through all of them;
//! [`assertion`] signs what the app is told. [`config`] reads the operator's file, [`app`] puts everything together,
//! [`admin`] answers the operator's tools, and [`cli`] is the command. `docs/architecture.md` has the whole picture.

pub mod access;
pub mod admin;
pub mod app;
pub mod assertion;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod gateway;
pub mod grants;
pub mod hosts;
pub mod news;
pub mod secret;
pub mod session;
pub mod telemetry;
pub mod tls;
