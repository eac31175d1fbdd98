//! libFuzzer's entry: the target is named by `VESTIBULE_FUZZ_TARGET`.
#![no_main]

use std::sync::LazyLock;

mod targets;

static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let name = std::env::var("VESTIBULE_FUZZ_TARGET").unwrap_or_default();
    targets::Target::named(&name).unwrap_or_else(|| panic!("no target `{name}`; there are {:?}", targets::NAMES))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET.run(data));
