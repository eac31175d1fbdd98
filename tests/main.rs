//! Black-box tests: the built binary, real sockets, and what a caller, an app and an operator would see.

mod apps;
mod architecture;
mod cli;
mod docs;
mod examples;
mod gateway;
mod hosts;
mod process;
mod proxies;
mod support;
