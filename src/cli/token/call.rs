//! The request that a token is for.

use std::path::PathBuf;

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::hosts::Call;

#[derive(Debug, clap::Args)]
pub(super) struct CallArgs {
    /// Method of the request that the token is for, where the platform signs requests.
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// Public address of that request.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Header of that request.
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// File with its body.
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,
}

impl CallArgs {
    /// The request, if an address tells of one.
    pub(super) fn call(&self) -> anyhow::Result<Option<Call>> {
        let Some(url) = self.url.clone() else { return Ok(None) };
        let mut headers = HeaderMap::new();
        for header in &self.header {
            let (name, value) = header.split_once(':').context("--header is `NAME: VALUE`")?;
            headers.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value.trim())?);
        }
        let body = match &self.body_file {
            Some(file) => std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?,
            None => Vec::new(),
        };
        let method = Method::from_bytes(self.method.as_bytes()).context("--method is a method such as GET")?;
        Ok(Some(Call { method, url, headers, body: body.into() }))
    }
}
