//! The host platform's side, as its own SDK sees it.

mod interop;
mod sdk;
mod vectors;
