//! Black-box tests.

mod architecture;
