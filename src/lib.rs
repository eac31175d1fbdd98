//! Vestibule: an auth gateway in front of apps that a host platform embeds in an iframe.

pub mod access;
pub mod clock;
pub mod gateway;
pub mod grants;
pub mod hosts;
pub mod secret;
