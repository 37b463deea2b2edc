#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    oracles::redirect_uri::judge(input);
});
