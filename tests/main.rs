//! Black-box tests.

mod architecture;
mod docs;
